/* The floor of the WHEP benchmark: the least that a sender of SRTP could do. It takes the packets that bench/whep/packets.py
 * cut, numbers and stamps them when they are due, and for each viewer encrypts them (AES-128-GCM, RFC 7714, with OpenSSL's
 * EVP) and sends each group in one sendmsg with UDP_SEGMENT. A viewer is whoever sends the 28 bytes of session key and salt;
 * it gets its first packets at the next keyframe. No publisher, no ICE, no DTLS, no RTCP, no history.
 * Prints one line, its port, and runs until its stdin closes.   whep_floor PACKETS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "clip.h"

enum { MOST = 5000, TAG = 16, HEADER = 12, KEY = 16, SALT = 12, ROOM = 1 << 18, GROUPS = 16 };

typedef struct { uint32_t bytes; uint16_t packets, step; const uint8_t *data; } Group;
typedef struct { uint32_t due_ms, stamp_at; uint8_t video, keyframe; uint16_t groups; Group *group; } Frame;
typedef struct { struct sockaddr_in address; EVP_CIPHER_CTX *cipher; uint8_t salt[SALT]; int playing; } Viewer;

static Frame *frames;
static int framed, viewers_count, udp;
static Viewer viewers[MOST];
static int64_t start, made;                                /* frames made since the start */
static uint32_t sequence[2], videos;       /* packets numbered so far, of sound and of pictures */

static void load(const char *path) {
    long size;
    const uint8_t *data = file_load(path, "AWHP", &size);
    frames = calloc((size_t)size / 20, sizeof *frames);
    for (const uint8_t *p = data + 4; p < data + size;) {
        Frame *f = &frames[framed++];
        memcpy(&f->due_ms, p, 4); memcpy(&f->stamp_at, p + 4, 4);
        f->video = p[8]; f->keyframe = p[9];
        memcpy(&f->groups, p + 10, 2);
        if (f->groups > GROUPS) die("too many groups");
        f->group = calloc(f->groups, sizeof *f->group);
        p += 12;
        for (Group *g = f->group; g < f->group + f->groups; g++) {
            memcpy(&g->bytes, p, 4); memcpy(&g->packets, p + 4, 2); memcpy(&g->step, p + 6, 2);
            g->data = p + 8;
            p += 8 + g->bytes;
        }
    }
}

static void put_be(uint8_t *p, uint32_t value, int bytes) {
    while (bytes--) { p[bytes] = (uint8_t)value; value >>= 8; }
}

/* The packets of one group with their numbers, for all viewers alike; returns the first of these. */
static uint32_t number(uint8_t *plain, const Group *g, const Frame *f, uint32_t ticks) {
    uint32_t first = sequence[f->video];
    memcpy(plain, g->data, g->bytes);
    for (int i = 0; i < g->packets; i++) {
        put_be(plain + i * g->step + 2, sequence[f->video]++, 2);
        put_be(plain + i * g->step + 4, ticks, 4);
    }
    return first;
}

static int seal(Viewer *v, uint8_t *out, const uint8_t *plain, uint32_t size, uint32_t index) {
    uint8_t iv[SALT] = {0};
    int n;
    memcpy(iv + 2, plain + 8, 4);                          /* SSRC */
    put_be(iv + 6, index >> 16, 4);                        /* roll-over counter */
    put_be(iv + 10, index, 2);                             /* sequence number */
    for (int i = 0; i < SALT; i++) iv[i] ^= v->salt[i];
    memcpy(out, plain, HEADER);
    return EVP_EncryptInit_ex(v->cipher, NULL, NULL, NULL, iv) && EVP_EncryptUpdate(v->cipher, NULL, &n, plain, HEADER) &&
           EVP_EncryptUpdate(v->cipher, out + HEADER, &n, plain + HEADER, (int)size - HEADER) &&
           EVP_EncryptFinal_ex(v->cipher, out + size, &n) &&
           EVP_CIPHER_CTX_ctrl(v->cipher, EVP_CTRL_GCM_GET_TAG, TAG, out + size);
}

static void send_to(Viewer *v, const Group *g, const uint8_t *plain, uint32_t first) {
    static uint8_t out[ROOM];
    uint32_t at = 0, to = 0;
    for (int i = 0; i < g->packets; i++) {
        uint32_t size = g->bytes - at < g->step ? g->bytes - at : g->step;
        if (!seal(v, out + to, plain + at, size, first + (uint32_t)i)) die("cipher");
        at += size;
        to += size + TAG;
    }
    union { char room[CMSG_SPACE(sizeof(uint16_t))]; struct cmsghdr align; } control;
    struct iovec data = {out, to};
    struct msghdr message = {.msg_name = &v->address, .msg_namelen = sizeof v->address, .msg_iov = &data, .msg_iovlen = 1};
    if (g->packets > 1) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_UDP; c->cmsg_type = UDP_SEGMENT; c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t step = (uint16_t)(g->step + TAG);
        memcpy(CMSG_DATA(c), &step, sizeof step);
    }
    sendmsg(udp, &message, 0);                             /* what the kernel does not take shows as a loss at the viewer */
}

static void make(const Frame *f, int64_t loop, int64_t due) {
    static uint8_t plain[ROOM];
    uint8_t *place[GROUPS];
    uint32_t ticks = (uint32_t)((loop * CLIP_MS + f->due_ms) * (f->video ? 90 : 48)), first[GROUPS], at = 0;
    for (int i = 0; i < f->groups; at += f->group[i++].bytes) {
        place[i] = plain + at;
        first[i] = number(place[i], &f->group[i], f, ticks);
    }
    if (f->stamp_at) {
        char stamp[INDEX_DIGITS + TIME_DIGITS + 1];
        snprintf(stamp, sizeof stamp, "%08x%016llx", videos, (long long)due);
        memcpy(plain + f->stamp_at, stamp, INDEX_DIGITS + TIME_DIGITS);
    }
    for (Viewer *v = viewers; v < viewers + viewers_count; v++) {
        v->playing |= f->video && f->keyframe;
        if (v->playing) for (int i = 0; i < f->groups; i++) send_to(v, &f->group[i], place[i], first[i]);
    }
    videos += f->video;
}

static int64_t due_at(int64_t count) {
    return start + (count / framed * CLIP_MS + frames[count % framed].due_ms) * 1000000;
}

static void on_hello(void) {
    uint8_t hello[64];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    while (recvfrom(udp, hello, sizeof hello, MSG_DONTWAIT, (struct sockaddr *)&from, &size) == KEY + SALT) {
        int known = 0;
        for (Viewer *v = viewers; v < viewers + viewers_count; v++) known |= v->address.sin_port == from.sin_port;
        if (known || viewers_count == MOST) continue;
        Viewer *v = &viewers[viewers_count++];
        v->address = from;
        v->cipher = EVP_CIPHER_CTX_new();
        memcpy(v->salt, hello + KEY, SALT);
        if (!EVP_EncryptInit_ex(v->cipher, EVP_aes_128_gcm(), NULL, hello, NULL)) die("cipher");
    }
}

static void listen_here(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int room = 1 << 22;
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (udp < 0 || bind(udp, (struct sockaddr *)&address, size)) die("bind");
    setsockopt(udp, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    getsockname(udp, (struct sockaddr *)&address, &size);
    printf("{\"event\": \"listening\", \"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 2) { fprintf(stderr, "whep_floor PACKETS\n"); return 2; }
    load(argv[1]);
    listen_here();
    int poller = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), fds[] = {udp, timer, 0};
    for (int i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event)) die("epoll_ctl");
    }
    start = monotonic_ns();
    for (;;) {
        for (; due_at(made) <= monotonic_ns(); made++) make(&frames[made % framed], made / framed, due_at(made));
        int64_t next = due_at(made);
        struct itimerspec at = {.it_value = {next / 1000000000, next % 1000000000}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        struct epoll_event event;
        if (epoll_wait(poller, &event, 1, -1) < 1) continue;
        uint64_t ticks;
        if (event.data.fd == 0) return 0;
        if (event.data.fd == udp) on_hello();
        else if (read(timer, &ticks, 8) != 8) continue;
    }
}
