/* Reads the media of WebRTC viewers whose handshakes were made elsewhere, as cheaply as can be, and judges what SRTP leaves
 * in the clear: that no sequence number is missing or comes twice, in each SSRC of each viewer; when the first picture was
 * whole; how many packets, bytes and pictures came. What is encrypted, sampled viewers look at elsewhere.
 * It takes sockets and commands over the socket CONTROL (an inherited descriptor):
 *   'V' {u8 first and last payload type of pictures, u8 pad, u32 number} + the descriptor: a viewer
 *   'M', 'E': the steady window begins, ends       'Q': print the result, one line of JSON, and end
 * It looks into every socket each INTERVAL in place of waiting for one: a sender is not to pay for waking a reader, which on a
 * network would be another machine. When a packet came, the kernel notes.
 * whep_reader CONTROL VIEWERS */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clip.h"

enum { BATCH = 8, BUFFER = 1 << 16, STREAMS = 6, INTERVAL_MS = 10 };
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

typedef struct { uint32_t ssrc; uint16_t next; uint8_t known; } Stream;
typedef struct {
    int fd;
    uint8_t low, high;                                     /* payload types of pictures */
    Stream streams[STREAMS];
    int64_t first_picture_ns;                              /* by the wall clock, as the kernel stamps */
    uint32_t pictures, closed;
} Viewer;

static Viewer *viewers;
static int count, measuring;
static uint64_t packets, bytes, reads, missing, repeated, unexpected, errors;
static char first_error[160];

static void fault(uint64_t *counter, uint64_t times, const Viewer *v, const char *what, uint32_t got, uint32_t wanted) {
    *counter += times;
    if (!first_error[0])
        snprintf(first_error, sizeof first_error, "viewer %d: %s, %u in place of %u", (int)(v - viewers), what, got, wanted);
}

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void on_rtp(Viewer *v, const uint8_t *p, int64_t arrived) {
    uint32_t ssrc = be32(p + 8);
    uint16_t number = (uint16_t)(p[2] << 8 | p[3]);
    uint8_t type = p[1] & 127;
    Stream *s = v->streams;
    while (s < v->streams + STREAMS && s->known && s->ssrc != ssrc) s++;
    if (s == v->streams + STREAMS) { fault(&unexpected, 1, v, "one SSRC too many", ssrc, 0); return; }
    uint16_t ahead = (uint16_t)(number - s->next);
    if (!s->known) *s = (Stream){ssrc, number, 1};
    else if (ahead >= 0x8000) { fault(&repeated, 1, v, "an old number", number, s->next); return; }
    else if (ahead) fault(&missing, ahead, v, "a number skipped", number, s->next);
    s->next = (uint16_t)(number + 1);
    if (!(p[1] & 128) || type < v->low || type > v->high) return;
    if (!v->first_picture_ns) v->first_picture_ns = arrived;
    if (measuring) v->pictures++;
}

static void on_datagrams(Viewer *v, const uint8_t *data, uint32_t size, uint32_t step, int64_t arrived) {
    for (uint32_t at = 0; at < size; at += step) {
        uint32_t n = size - at < step ? size - at : step;
        const uint8_t *p = data + at;
        if (n < 12 || p[0] >> 6 != 2 || (p[1] >= 192 && p[1] < 224)) continue;   /* STUN, DTLS, RTCP */
        if (measuring) { packets++; bytes += n; }
        on_rtp(v, p, arrived);
    }
}

/* Take what is there, as much as fits; returns how many reads that were. */
static int on_readable(Viewer *v) {
    static uint8_t data[BATCH][BUFFER];
    static union { char room[256]; struct cmsghdr align; } control[BATCH];
    static struct iovec places[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        places[i] = (struct iovec){data[i], BUFFER};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &places[i], .msg_iovlen = 1, .msg_control = control[i].room,
                                              .msg_controllen = sizeof control[i].room};
    }
    int n = recvmmsg(v->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) fault(&errors, 1, v, strerror(errno), 0, 0);
    for (int i = 0; i < n; i++) {
        uint32_t step = messages[i].msg_len;
        int64_t arrived = 0;
        struct msghdr *m = &messages[i].msg_hdr;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
            if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
                int segment;
                memcpy(&segment, CMSG_DATA(c), sizeof segment);
                if (segment > 0) step = (uint32_t)segment;
            } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec t;
                memcpy(&t, CMSG_DATA(c), sizeof t);
                arrived = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
            }
        }
        reads += (uint64_t)measuring;
        on_datagrams(v, data[i], messages[i].msg_len, step, arrived);
    }
    return n;
}

static void report(double cpu) {
    printf("{\"event\": \"read\", \"packets\": %llu, \"bytes\": %llu, \"reads\": %llu, \"cpu\": %.4f, \"missing\": %llu, "
           "\"repeated\": %llu, \"unexpected\": %llu, \"closed\": %llu, \"first_error\": \"%s\", \"viewers\": {",
           (unsigned long long)packets, (unsigned long long)bytes, (unsigned long long)reads, cpu,
           (unsigned long long)missing, (unsigned long long)repeated, (unsigned long long)unexpected,
           (unsigned long long)errors, first_error);
    const char *comma = "";
    for (Viewer *v = viewers; v < viewers + count; v++) {
        if (v->fd < 0) continue;
        printf("%s\"%d\": [%lld, %u]", comma, (int)(v - viewers), (long long)v->first_picture_ns, v->pictures);
        comma = ", ";
    }
    printf("}}\n");
    fflush(stdout);
}

static double own_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void add(const uint8_t *command, int fd) {
    uint32_t number;
    memcpy(&number, command + 4, 4);
    if (fd < 0 || number >= (uint32_t)count) { fprintf(stderr, "no such viewer\n"); exit(2); }
    viewers[number] = (Viewer){.fd = fd, .low = command[1], .high = command[2]};
}

/* One command; 0 when it was the last. */
static int on_command(int from) {
    static double cpu;
    uint8_t command[8];
    union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
    struct iovec place = {command, sizeof command};
    struct msghdr message = {.msg_iov = &place, .msg_iovlen = 1, .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t n = recvmsg(from, &message, 0);
    if (n <= 0) return 0;
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (command[0] == 'V' && n == 8) add(command, fd);
    else if (command[0] == 'M') { measuring = 1; cpu = own_cpu(); }
    else if (command[0] == 'E') { measuring = 0; cpu = own_cpu() - cpu; }
    else if (command[0] == 'Q') { report(cpu); return 0; }
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "whep_reader CONTROL VIEWERS\n"); return 2; }
    int from = atoi(argv[1]);
    count = atoi(argv[2]);
    viewers = calloc((size_t)count, sizeof *viewers);
    if (!viewers) die("start");
    for (Viewer *v = viewers; v < viewers + count; v++) v->fd = -1;
    for (struct pollfd control = {.fd = from, .events = POLLIN};;) {
        int told = poll(&control, 1, INTERVAL_MS) > 0;
        for (Viewer *v = viewers; v < viewers + count; v++) if (v->fd >= 0) while (on_readable(v) == BATCH) continue;
        if (told && !on_command(from)) return 0;           /* what came before a command counts before it */
    }
}
