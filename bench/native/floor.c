/* The floor: the least that anything could do. It answers the handshake and the three commands by rote, makes the clip's
 * messages at their times (stamped when due), and every INTERVAL writes what came due, one write per viewer.
 * No publisher, no parsing, no queues. Prints one line, its port, and runs until its stdin closes.
 * floor CLIP INTERVAL_MS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "clip.h"

enum { MOST = 20000, LOG = 1 << 24, CHUNK = 4096, SECOND = 1000000000 };
enum Phase { HELLO, CONNECT, CREATE, PLAY, PLAYING, GONE };

typedef struct { int fd, phase; uint32_t got; } Viewer;

static Clip clip;
static Viewer viewers[MOST];
static int count, poller;
static uint8_t *log_, config[8192];
static size_t config_size, group, flushed, end;            /* places in the log: newest keyframe, sent so far, made so far */
static int64_t start, made;                                /* messages made since the start */

static void put(Viewer *v, const uint8_t *data, size_t n) {
    while (n && v->phase != GONE) {
        ssize_t taken = send(v->fd, data, n, MSG_NOSIGNAL);
        if (taken >= 0) { data += taken; n -= (size_t)taken; continue; }
        if (errno != EAGAIN) { close(v->fd); v->phase = GONE; return; }
        struct pollfd waiting = {.fd = v->fd, .events = POLLOUT};
        poll(&waiting, 1, 1000);
    }
}

static void make(const Message *m, int64_t loop, int64_t due) {
    if (m->type == VIDEO && m->data[0] >> 4 == 1) group = end;
    uint8_t *at = log_ + end;
    end += chunked(at, m->type == VIDEO ? 6 : 4, m->type, (uint32_t)(loop * CLIP_MS + m->dts), 1, m->data, m->length, CHUNK);
    if (m->type == AUDIO) return;
    char stamp[INDEX_DIGITS + TIME_DIGITS + 1];
    snprintf(stamp, sizeof stamp, "%08llx%016llx", (long long)(loop * clip.videos + (m - clip.video)), (long long)due);
    memcpy(at + 12 + STAMP_AT, stamp, INDEX_DIGITS + TIME_DIGITS);
}

static void flush_all(void) {
    int64_t now = monotonic_ns();
    for (;; made++) {
        const Message *m = clip.all[made % clip.alls];
        int64_t loop = made / clip.alls, due = start + (loop * CLIP_MS + m->dts) * 1000000;
        if (due > now) break;
        make(m, loop, due);
    }
    for (Viewer *v = viewers; v < viewers + count; v++)
        if (v->phase == PLAYING) put(v, log_ + flushed, end - flushed);
    flushed = end;
    if (end > LOG / 2) {
        memmove(log_, log_ + group, end - group);
        end = flushed = end - group;
        group = 0;
    }
}

static void answer(Viewer *v, double transaction) {
    uint8_t body[64], out[128], *p = amf_number(amf_string(body, "_result"), transaction);
    *p++ = 5;
    p = amf_number(p, 1);
    put(v, out, chunked(out, 3, 20, 0, 0, body, (uint32_t)(p - body), 128));
}

static void on_readable(Viewer *v) {
    static uint8_t data[65536], hello[3073] = {3};
    ssize_t n = recv(v->fd, data, sizeof data, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) { close(v->fd); v->phase = GONE; }
        return;
    }
    v->got += (uint32_t)n;
    if (v->phase == HELLO && v->got >= 1537) { put(v, hello, sizeof hello); v->phase = CONNECT; }
    else if (v->phase == CONNECT && memmem(data, (size_t)n, "connect", 7)) {
        put(v, config, 16);                                /* the chunk size message stands first */
        answer(v, 1);
        v->phase = CREATE;
    } else if (v->phase == CREATE && memmem(data, (size_t)n, "createStream", 12)) { answer(v, 2); v->phase = PLAY; }
    else if (v->phase == PLAY && memmem(data, (size_t)n, "play", 4)) {
        put(v, config + 16, config_size - 16);
        put(v, log_ + group, flushed - group);
        v->phase = PLAYING;
    }
}

static int listen_here(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("{\"event\": \"listening\", \"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_all(int listener) {
    for (int fd; count < MOST && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        viewers[count] = (Viewer){.fd = fd};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &viewers[count++]};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void watch(int fd, void *token) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = token};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "floor CLIP INTERVAL_MS\n"); return 2; }
    clip = clip_load(argv[1]);
    int64_t interval = (int64_t)(atof(argv[2]) * 1e6);
    static const uint8_t chunk_size[4] = {0, 0, CHUNK >> 8, CHUNK & 255};
    static int listening, ticking, input;                  /* only their addresses matter: tokens in epoll */
    log_ = malloc(LOG);
    poller = epoll_create1(0);
    config_size = chunked(config, 2, 1, 0, 0, chunk_size, 4, CHUNK);
    config_size += chunked(config + config_size, 6, VIDEO, 0, 1, clip.video_config.data, clip.video_config.length, CHUNK);
    config_size += chunked(config + config_size, 4, AUDIO, 0, 1, clip.audio_config.data, clip.audio_config.length, CHUNK);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), listener = listen_here();
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
