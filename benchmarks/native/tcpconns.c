/* Makes TCP connections one after the other, each reset as soon as it stands; or takes them.
 *
 * tcpconns serve PORT
 * tcpconns ADDRESS PORT COUNT
 *
 * The client prints how many connections stood, in which time, and the time of the CPU that it took itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static int serve(uint16_t port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) {
        perror("serve");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int taken = accept(fd, NULL, NULL);
        if (taken >= 0)
            close(taken);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)atoi(argv[2]));
    if (argc != 4) {
        fprintf(stderr, "usage: tcpconns serve PORT | tcpconns ADDRESS PORT COUNT\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    long count = atol(argv[3]);
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        return 2;
    double began = seconds();
    for (long i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
            perror("connect");
            return 1;
        }
        close(fd);
    }
    double took = seconds() - began;
    struct rusage spent;
    getrusage(RUSAGE_SELF, &spent);
    printf("{\"count\": %ld, \"seconds\": %.6f, \"system_s\": %.6f}\n", count, took,
           spent.ru_stime.tv_sec + spent.ru_stime.tv_usec / 1e6);
    return 0;
}
