/* Sends UDP packets of which each begins a new connection, or all belong to one, from a packet socket.
 *
 * newflows INTERFACE FRAME COUNT RATE FIRST VARY
 *
 * FRAME is an Ethernet frame with an IPv4 header of 20 bytes and a UDP header without checksum, in hex.
 * RATE is packets a second, 0 for as fast as it goes. With VARY 1 packet number FIRST + n has source port
 * 1024 + number % 60000 and the frame's destination port + number / 60000, so no two are of one connection.
 * Prints how many were sent, in which time, and the time of the CPU that took: in the kernel that includes the
 * way of the packets through it, as far as the sender's own context carries them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { BATCH = 64, LONGEST = 256, SOURCE_PORT = 14 + 20, TARGET_PORT = SOURCE_PORT + 2, SPREAD = 60000 };

static uint8_t frames[BATCH][LONGEST];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double of(struct timeval spent)
{
    return spent.tv_sec + spent.tv_usec / 1e6;
}

static int opened(const char *interface)
{
    int one = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        perror(interface);
        exit(1);
    }
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    return fd;
}

static void number(uint8_t *frame, uint16_t first_target, unsigned long at)
{
    uint16_t source = htons(1024 + at % SPREAD), target = htons((uint16_t)(first_target + at / SPREAD));
    memcpy(frame + SOURCE_PORT, &source, sizeof source);
    memcpy(frame + TARGET_PORT, &target, sizeof target);
}

static void wait_until(double due)
{
    double left = due - seconds(CLOCK_MONOTONIC);
    if (left > 0) {
        struct timespec pause = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: newflows INTERFACE FRAME COUNT RATE FIRST VARY\n");
        return 2;
    }
    int fd = opened(argv[1]), vary = atoi(argv[6]);
    size_t length = strlen(argv[2]) / 2;
    unsigned long count = strtoul(argv[3], NULL, 10), first = strtoul(argv[5], NULL, 10), sent = 0, refused = 0;
    double rate = atof(argv[4]);
    if (length > LONGEST || length < TARGET_PORT + 2)
        return 2;
    for (size_t i = 0; i < length; i++) {
        unsigned octet;
        sscanf(argv[2] + 2 * i, "%2x", &octet);
        for (int j = 0; j < BATCH; j++)
            frames[j][i] = (uint8_t)octet;
    }
    uint16_t target;
    memcpy(&target, frames[0] + TARGET_PORT, sizeof target);
    target = ntohs(target);
    for (int j = 0; j < BATCH; j++) {
        vectors[j] = (struct iovec){frames[j], length};
        messages[j].msg_hdr = (struct msghdr){.msg_iov = &vectors[j], .msg_iovlen = 1};
    }
    double began = seconds(CLOCK_MONOTONIC);
    while (sent < count) {
        unsigned batch = count - sent < BATCH ? (unsigned)(count - sent) : BATCH;
        if (vary)
            for (unsigned j = 0; j < batch; j++)
                number(frames[j], target, first + sent + j);
        int done = sendmmsg(fd, messages, batch, 0);
        if (done < 0 && errno != ENOBUFS && errno != EAGAIN) {
            perror("sendmmsg");
            return 1;
        }
        if (done < 0)
            refused++;
        else
            sent += (unsigned)done;
        if (rate > 0)
            wait_until(began + sent / rate);
    }
    double took = seconds(CLOCK_MONOTONIC) - began;
    struct rusage spent;
    getrusage(RUSAGE_SELF, &spent);
    printf("{\"sent\": %lu, \"again\": %lu, \"seconds\": %.6f, \"user_s\": %.6f, \"system_s\": %.6f}\n", sent, refused,
           took, of(spent.ru_utime), of(spent.ru_stime));
    return 0;
}
