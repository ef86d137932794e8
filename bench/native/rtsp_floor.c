/* The floor of RTSP: answers requests by rote, makes the clip's packets at their times (numbered and stamped when due), and
 * every INTERVAL sends what came due: over TCP in one write per viewer, over UDP in one sendmmsg per viewer, with one segmented
 * message (UDP_SEGMENT) for the packets of a frame. No publisher, no queues, no reports, no pacing of a joiner's first packets.
 * PACKETS is made by bench/rtsp/packets.py. Prints one line, its port, and runs until its stdin closes.
 * rtsp_floor PACKETS INTERVAL_MS tcp|udp */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "clip.h"

enum { MOST = 20000, LOG = 1 << 24, FRAMES = 2000, TRAINS = 1 << 16, TRAIN = 1024, SEGMENTS = 64, LARGEST = 65000, SECOND = 1000000000 };
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

typedef struct { uint32_t due_ms, stamp_at, bytes; uint8_t video, keyframe; const uint8_t *data; } Frame;
typedef struct { size_t at; uint32_t bytes; uint16_t step, packets; } Train;
typedef struct { int fd, playing; struct sockaddr_in to; } Viewer;

static Frame frames[FRAMES];
static int framed, count, poller, udp = -1, udp_port;
static const char *description;
static Viewer viewers[MOST];
static uint8_t *log_;
static Train trains[TRAINS];
static size_t group, flushed, end, group_train, flushed_train, end_train;    /* newest keyframe, sent so far, made so far */
static int64_t start, made;
static uint32_t videos;
static uint16_t numbers[256];

static void load(const char *path) {
    long size;
    const uint8_t *data = file_load(path, "ARSP", &size);
    uint32_t length;
    memcpy(&length, data + 4, 4);
    description = (const char *)data + 8;                  /* ends with a 0 */
    for (long at = 8 + length; at + 16 <= size; framed++) {
        Frame *f = &frames[framed];
        memcpy(&f->due_ms, data + at, 4);
        memcpy(&f->stamp_at, data + at + 4, 4);
        memcpy(&f->bytes, data + at + 8, 4);
        f->video = data[at + 12];
        f->keyframe = data[at + 13];
        f->data = data + at + 16;
        at += 16 + f->bytes;
    }
}

static void put(Viewer *v, const uint8_t *data, size_t n) {
    while (n && v->fd >= 0) {
        ssize_t taken = send(v->fd, data, n, MSG_NOSIGNAL);
        if (taken >= 0) { data += taken; n -= (size_t)taken; continue; }
        if (errno != EAGAIN) { close(v->fd); v->fd = -1; v->playing = 0; return; }
        struct pollfd waiting = {.fd = v->fd, .events = POLLOUT};
        poll(&waiting, 1, 1000);
    }
}

static void put_trains(const Viewer *v, size_t from, size_t to) {
    static struct mmsghdr messages[TRAIN];
    static struct iovec places[TRAIN];
    static union { char room[CMSG_SPACE(sizeof(uint16_t))]; struct cmsghdr align; } control[TRAIN];
    unsigned n = 0;
    for (size_t i = from; i < to && n < TRAIN; i++, n++) {
        places[n] = (struct iovec){log_ + trains[i].at, trains[i].bytes};
        messages[n].msg_hdr = (struct msghdr){.msg_name = (void *)&v->to, .msg_namelen = sizeof v->to, .msg_iov = &places[n], .msg_iovlen = 1};
        if (trains[i].packets == 1) continue;
        messages[n].msg_hdr.msg_control = control[n].room;
        messages[n].msg_hdr.msg_controllen = sizeof control[n].room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&messages[n].msg_hdr);
        c->cmsg_level = SOL_UDP; c->cmsg_type = UDP_SEGMENT; c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(c), &trains[i].step, sizeof(uint16_t));
    }
    for (unsigned done = 0; done < n;) {                   /* what the kernel does not take shows as a loss at the viewer */
        int sent = sendmmsg(udp, messages + done, n - done, 0);
        done += sent > 0 ? (unsigned)sent : 1;
    }
}

/* Put the packet into a train: the last one of this frame, if sizes allow. */
static void couple(size_t first, size_t at, uint32_t size) {
    Train *last = &trains[end_train - 1];
    if (end_train > first && last->packets < SEGMENTS && last->bytes + size <= LARGEST && size <= last->step &&
        last->bytes == last->step * last->packets) {
        last->bytes += size;
        last->packets++;
    } else trains[end_train++] = (Train){at, size, (uint16_t)size, 1};
}

static void make(const Frame *f, int64_t loop, int64_t due) {
    uint64_t ticks = (uint64_t)(loop * CLIP_MS + f->due_ms) * (f->video ? 90 : 48);
    if (f->keyframe) { group = end; group_train = end_train; }
    size_t first = end_train;
    for (uint32_t at = 0, size; at < f->bytes; at += 4 + size) {
        const uint8_t *p = f->data + at;
        size = (uint32_t)p[2] << 8 | p[3];
        if (udp < 0) { memcpy(log_ + end, p, 4); end += 4; }
        uint8_t *out = log_ + end;
        memcpy(out, p + 4, size);
        uint16_t number = numbers[p[1]]++;
        out[2] = (uint8_t)(number >> 8); out[3] = (uint8_t)number;
        for (int i = 0; i < 4; i++) out[4 + i] = (uint8_t)(ticks >> (24 - 8 * i));
        if (f->stamp_at >= at + 4 && f->stamp_at < at + 4 + size) {
            char stamp[INDEX_DIGITS + TIME_DIGITS + 1];
            snprintf(stamp, sizeof stamp, "%08x%016llx", videos++, (long long)due);
            memcpy(out + f->stamp_at - at - 4, stamp, INDEX_DIGITS + TIME_DIGITS);
        }
        if (udp >= 0) couple(first, end, size);
        end += size;
    }
}

static void flush_all(void) {
    int64_t now = monotonic_ns();
    for (;; made++) {
        const Frame *f = &frames[made % framed];
        int64_t loop = made / framed, due = start + (loop * CLIP_MS + f->due_ms) * 1000000;
        if (due > now) break;
        make(f, loop, due);
    }
    for (Viewer *v = viewers; v < viewers + count; v++) {
        if (!v->playing) continue;
        if (udp >= 0) put_trains(v, flushed_train, end_train);
        else put(v, log_ + flushed, end - flushed);
    }
    flushed = end;
    flushed_train = end_train;
    if (end < LOG / 2 && end_train < TRAINS / 2) return;
    memmove(log_, log_ + group, end - group);
    memmove(trains, trains + group_train, (end_train - group_train) * sizeof(Train));
    end_train -= group_train;
    for (size_t i = 0; i < end_train; i++) trains[i].at -= group;
    flushed = end -= group;
    flushed_train = end_train;
    group = group_train = 0;
}

static void on_request(Viewer *v, const char *text) {
    char out[4096], extra[2100] = "";
    const char *cseq = strcasestr(text, "CSeq:"), *ports = strstr(text, "client_port="), *transport = strstr(text, "Transport:");
    if (!strncmp(text, "DESCRIBE", 8)) snprintf(extra, sizeof extra, "Content-Length: %d\r\n\r\n%s", (int)strlen(description), description);
    else if (transport) {
        if (ports) v->to.sin_port = htons((uint16_t)atoi(ports + 12));
        snprintf(extra, sizeof extra, "%.*s;server_port=%d-%d\r\nSession: 1\r\n\r\n", (int)strcspn(transport, "\r"), transport, udp_port, udp_port);
    } else snprintf(extra, sizeof extra, "\r\n");
    int n = snprintf(out, sizeof out, "RTSP/1.0 200 OK\r\nCSeq: %d\r\n%s", cseq ? atoi(cseq + 5) : 0, extra);
    put(v, (uint8_t *)out, (size_t)n);
    if (strncmp(text, "PLAY", 4)) return;
    if (udp >= 0) put_trains(v, group_train, flushed_train);
    else put(v, log_ + group, flushed - group);
    v->playing = 1;
}

static void on_readable(Viewer *v) {
    static char data[65536];
    ssize_t n = recv(v->fd, data, sizeof data - 1, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) { close(v->fd); v->fd = -1; v->playing = 0; }
        return;
    }
    data[n] = 0;
    if (data[0] != '$') on_request(v, data);               /* one at a time: the client waits for each answer */
}

static int bound(int type, int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size)) die("bind");
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void accept_all(int listener) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    for (int fd; count < MOST && (fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        viewers[count] = (Viewer){.fd = fd, .to = from};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &viewers[count++]};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void watch(int fd, void *token) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = token};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "rtsp_floor PACKETS INTERVAL_MS tcp|udp\n"); return 2; }
    load(argv[1]);
    int64_t interval = (int64_t)(atof(argv[2]) * 1e6);
    static int listening, ticking, input;                  /* only their addresses matter: tokens in epoll */
    int port, room = 1 << 22;
    log_ = malloc(LOG);
    poller = epoll_create1(0);
    if (!strcmp(argv[3], "udp")) {
        udp = bound(SOCK_DGRAM, &udp_port);
        setsockopt(udp, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    }
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), listener = bound(SOCK_STREAM, &port);
    if (listen(listener, 1024)) die("listen");
    printf("{\"event\": \"listening\", \"port\": %d}\n", port);
    fflush(stdout);
    start = monotonic_ns();
    struct itimerspec every = {.it_interval = {interval / SECOND, interval % SECOND},
                               .it_value = {interval / SECOND, interval % SECOND}};
    timerfd_settime(timer, 0, &every, NULL);
    watch(listener, &listening);
    watch(timer, &ticking);
    watch(0, &input);
    for (struct epoll_event events[64];;) {
        int n = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < n; i++) {
            uint64_t ticks;
            void *token = events[i].data.ptr;
            if (token == &input) return 0;
            if (token == &listening) accept_all(listener);
            else if (token == &ticking) { if (read(timer, &ticks, 8) == 8) flush_all(); }
            else on_readable(token);
        }
    }
}
