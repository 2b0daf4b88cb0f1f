"""Netlink as bytes: pure codecs between what the kernel says and frozen structs. No socket is opened here."""
