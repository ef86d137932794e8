/* N RTSP players in one process, over TCP (interleaved) or UDP: they join evenly within JOIN seconds, check that every RTP
 * packet comes once and in order and that what they carry is the clip, byte by byte, and measure the time to the first
 * keyframe and the added latency. One line of JSON per event on stdout: steady, end (between the two the server's CPU is
 * measured), result.
 * Over UDP a player has a pair of ports, which it looks into every INTERVAL in place of waiting: a sender is not to pay for
 * waking a reader, which on a network would be another machine. When a packet came, the kernel notes.
 * rtsp_viewers CLIP HOST PORT PATH N JOIN_S SETTLE_S STEADY_S tcp|udp */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "crowd.h"

enum { BUFFER = 1 << 18, HELD = 1 << 17, BATCH = 8, DATAGRAM = 1 << 16, INTERVAL = 10000000, REPORT_S = 5, MEDIA = 2 };
enum Phase { CONNECTING, DESCRIBE_SENT, SETUP_SENT, PLAY_SENT, PLAYING, FAILED };
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

typedef struct { uint32_t ssrc, timestamp; uint16_t next; uint8_t known, type; char control[80]; } Stream;
typedef struct {
    int fd, rtp, rtcp, phase, set_up, cseq, has_parameters, next_audio, audio_known;
    Stream streams[MEDIA];                     /* audio, video */
    const Message *picture;                    /* the one that is coming in: how far, and where its NAL unit ends */
    uint32_t at, unit_end;
    int64_t sent_ns, play_at, first_keyframe_ns, next_video, reported;
    uint16_t port, server_rtcp;
    char session[64];
    uint8_t *held;
    uint32_t holds;
} Viewer;

static Clip clip;
static Viewer *viewers;
static int count, poller, playing, failed, over_udp, port;
static const char *host, *path;
static uint8_t buffer[BUFFER];

#define number_of(v) ((int)((v) - viewers))

static void give_up(Viewer *v) {
    if (v->phase == FAILED) return;
    v->phase = FAILED;
    failed++;
    close(v->fd);
    if (over_udp) { close(v->rtp); close(v->rtcp); }
}

/* --- pictures and sounds ------------------------------------------------------------------------------------------------ */

static uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

/* Parameter sets, delimiters and filler a server may add and leave out. */
static int is_optional(uint8_t type) { return type == 7 || type == 8 || type == 9 || type == 12; }

static void skip_optional(Viewer *v) {
    const Message *m = v->picture;
    while (v->at + 4 < m->length && is_optional(m->data[v->at + 4] & 31)) v->at += 4 + be32(m->data + v->at);
}

static void begin_picture(Viewer *v, const uint8_t *digits) {
    int64_t index = hexadecimal(digits, INDEX_DIGITS);
    v->sent_ns = hexadecimal(digits + INDEX_DIGITS, TIME_DIGITS);
    if (index < 0) { fault(number_of(v), MISMATCHED, 1, "a stamp without digits"); return; }
    const Message *m = v->picture = &clip.video[index % clip.videos];
    v->at = 5 + 4 + be32(m->data + 5);         /* behind the stamp */
    int keyframe = m->data[0] >> 4 == 1;
    if (v->next_video < 0 && !(v->has_parameters && keyframe))
        fault(number_of(v), UNEXPECTED, 1, "starts without %s", v->has_parameters ? "a keyframe" : "parameter sets");
    else if (v->next_video >= 0 && index > v->next_video)
        fault(number_of(v), MISSING, (uint64_t)(index - v->next_video), "picture %lld after %lld", (long long)index,
              (long long)v->next_video - 1);
    else if (v->next_video >= 0 && index < v->next_video) fault(number_of(v), REPEATED, 1, "picture %lld again", (long long)index);
    v->next_video = index + 1;
}

/* `n` bytes of a NAL unit whose first byte is `head`, which is not among them. */
static void on_unit(Viewer *v, uint8_t head, const uint8_t *data, uint32_t n, int starts, int ends) {
    static const char name[] = "arcly-bench-sei!";
    if (starts && is_optional(head & 31)) { v->has_parameters |= (head & 31) == 7; return; }
    if (starts && n > 2 + 16 + INDEX_DIGITS + TIME_DIGITS && !memcmp(data + 2, name, 16)) {
        begin_picture(v, data + 18);
        data += 18 + INDEX_DIGITS + TIME_DIGITS;           /* and the rest of this unit has to be as it was */
        n -= 18 + INDEX_DIGITS + TIME_DIGITS;
        v->unit_end = v->at;
        v->at -= n;
        starts = 0;
    }
    const Message *m = v->picture;
    if (!m) return;                            /* a fault that was counted already, or what comes before the first stamp */
    if (starts) {
        skip_optional(v);
        if (v->at + 5 > m->length || m->data[v->at + 4] != head) goto other;
        v->unit_end = v->at + 4 + be32(m->data + v->at);
        v->at += 5;
    }
    if (v->at + n > v->unit_end || memcmp(m->data + v->at, data, n)) goto other;
    v->at += n;
    if (!ends || v->at == v->unit_end) return;
other:
    fault(number_of(v), MISMATCHED, 1, "a NAL unit of type %d at %u of a picture is not the clip's", head & 31, v->at);
    v->picture = NULL;
}

static void end_picture(Viewer *v, int64_t now) {
    const Message *m = v->picture;
    v->picture = NULL;
    if (!m) return;
    v->picture = m;
    skip_optional(v);
    v->picture = NULL;
    if (v->at != m->length) { fault(number_of(v), MISMATCHED, 1, "a picture ends at %u of %u", v->at, m->length); return; }
    if (v->first_keyframe_ns < 0 && m->data[0] >> 4 == 1) {
        v->first_keyframe_ns = now - v->play_at;
        v->phase = PLAYING;
        playing++;
    }
    if (!measuring) return;
    window_payload += m->length;
    note_latency(now - v->sent_ns);
}

static void on_video(Viewer *v, const uint8_t *p, uint32_t n, int marker, int64_t now) {
    uint8_t type = n ? p[0] & 31 : 0;
    if (type == 28 && n > 2) on_unit(v, (uint8_t)((p[0] & 0xE0) | (p[1] & 31)), p + 2, n - 2, p[1] & 0x80, p[1] & 0x40);
    else if (type == 24)
        for (uint32_t at = 1, size; at + 2 < n && (size = be16(p + at)) && at + 2 + size <= n; at += 2 + size)
            on_unit(v, p[at + 2], p + at + 3, size - 1, 1, 1);
    else if (type > 0 && type < 24) on_unit(v, p[0], p + 1, n - 1, 1, 1);
    else fault(number_of(v), UNEXPECTED, 1, "a payload of type %d", type);
    if (marker) end_picture(v, now);
}

static void on_sound(Viewer *v, const uint8_t *data, uint32_t n) {
    if (!v->audio_known)                       /* the first: where in the loop it is, its bytes tell */
        for (int i = 0; i < clip.audios && !v->audio_known; i++)
            if (clip.audio[i].length == n + 2 && !memcmp(clip.audio[i].data + 2, data, n)) {
                v->next_audio = i;
                v->audio_known = 1;
            }
    const Message *m = &clip.audio[v->next_audio];
    v->next_audio = (v->next_audio + 1) % clip.audios;
    if (m->length != n + 2 || memcmp(m->data + 2, data, n)) fault(number_of(v), MISMATCHED, 1, "a sound is not the clip's");
    else if (measuring) window_payload += m->length;
}

static void on_audio(Viewer *v, const uint8_t *p, uint32_t n) {          /* RFC 3640, AAC-hbr */
    uint32_t headers = n > 2 ? be16(p) / 16 : 0, at = 2 + 2 * headers;
    for (uint32_t i = 0; i < headers && at <= n; i++) {
        uint32_t size = be16(p + 2 + 2 * i) >> 3;
        if (at + size > n) break;
        on_sound(v, p + at, size);
        at += size;
    }
    if (!headers || at != n) fault(number_of(v), MISMATCHED, 1, "a payload of sound of %u bytes that are %u", n, at);
}

/* --- packets ------------------------------------------------------------------------------------------------------------ */

static void on_rtp(Viewer *v, const uint8_t *p, uint32_t n, int64_t now) {
    if (measuring) window_bytes += n;
    if (n < 12 || p[0] != 0x80) { fault(number_of(v), PROTOCOL, 1, "no RTP, %u bytes", n); return; }
    Stream *s = v->streams;
    while (s < v->streams + MEDIA && s->type != (p[1] & 127)) s++;
    if (s == v->streams + MEDIA) { fault(number_of(v), UNEXPECTED, 1, "payload type %d", p[1] & 127); return; }
    uint16_t sequence = (uint16_t)be16(p + 2), ahead = (uint16_t)(sequence - s->next);
    uint32_t timestamp = be32(p + 4), ssrc = be32(p + 8);
    if (s->known && s->ssrc != ssrc) fault(number_of(v), UNEXPECTED, 1, "another SSRC");
    if (s->known && ahead >= 0x8000) { fault(number_of(v), REPEATED, 1, "packet %d after %d", sequence, s->next - 1); return; }
    if (s->known && ahead) fault(number_of(v), MISSING, ahead, "packet %d after %d", sequence, s->next - 1);
    if (s->known && (int32_t)(timestamp - s->timestamp) < 0) fault(number_of(v), BACKWARDS, 1, "timestamp %u after %u", timestamp, s->timestamp);
    s->known = 1;
    s->ssrc = ssrc;
    s->timestamp = timestamp;
    s->next = (uint16_t)(sequence + 1);
    if (s == &v->streams[1]) on_video(v, p + 12, n - 12, p[1] & 128, now);
    else on_audio(v, p + 12, n - 12);
}

static void report_reception(Viewer *v, int64_t now) {
    if (now < v->reported + REPORT_S * (int64_t)SECOND || v->phase != PLAYING) return;
    v->reported = now;
    for (int i = 0; i < MEDIA; i++) {          /* a receiver report without loss; four bytes of framing before it */
        Stream *s = &v->streams[i];
        uint8_t report[36] = {'$', (uint8_t)(2 * i + 1), 0, 32, 0x81, 201, 0, 7, 0, 0, 0, (uint8_t)number_of(v), (uint8_t)(s->ssrc >> 24),
                              (uint8_t)(s->ssrc >> 16), (uint8_t)(s->ssrc >> 8), (uint8_t)s->ssrc};
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(v->server_rtcp)};
        inet_pton(AF_INET, host, &to.sin_addr);
        if (over_udp) sendto(v->rtcp, report + 4, 32, 0, (struct sockaddr *)&to, sizeof to);
        else send(v->fd, report, sizeof report, MSG_NOSIGNAL);
    }
}

static void on_datagrams(Viewer *v) {
    static uint8_t data[BATCH][DATAGRAM];
    static union { char room[256]; struct cmsghdr align; } control[BATCH];
    static struct iovec places[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int n = BATCH; n == BATCH;) {
        for (int i = 0; i < BATCH; i++) {
            places[i] = (struct iovec){data[i], DATAGRAM};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &places[i], .msg_iovlen = 1, .msg_control = control[i].room,
                                                  .msg_controllen = sizeof control[i].room};
        }
        n = recvmmsg(v->rtp, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            uint32_t size = messages[i].msg_len, step = size;
            int64_t arrived = monotonic_ns();
            struct msghdr *m = &messages[i].msg_hdr;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
                    int segment;
                    memcpy(&segment, CMSG_DATA(c), sizeof segment);
                    if (segment > 0) step = (uint32_t)segment;
                } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
                    struct timespec then, wall;
                    memcpy(&then, CMSG_DATA(c), sizeof then);
                    clock_gettime(CLOCK_REALTIME, &wall);
                    arrived -= (wall.tv_sec - then.tv_sec) * (int64_t)SECOND + wall.tv_nsec - then.tv_nsec;
                }
            }
            for (uint32_t at = 0; at < size; at += step) on_rtp(v, data[i] + at, size - at < step ? size - at : step, arrived);
        }
    }
}

/* --- the conversation --------------------------------------------------------------------------------------------------- */

static void ask(Viewer *v, const char *method, const char *target, const char *fields) {
    char out[1200], session[90] = "";
    if (v->session[0]) snprintf(session, sizeof session, "Session: %s\r\n", v->session);
    int n = snprintf(out, sizeof out, "%s rtsp://%s:%d/%s%s%s RTSP/1.0\r\nCSeq: %d\r\n%s%s\r\n", method, host, port, path,
                     target[0] ? "/" : "", target, ++v->cseq, session, fields);
    if (send(v->fd, out, (size_t)n, MSG_NOSIGNAL) != n) { fault(number_of(v), CLOSED, 1, "cannot send: %s", strerror(errno)); give_up(v); }
}

static int bind_near(uint16_t *bound, uint16_t wanted) {                 /* -1 when the port is taken */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(wanted)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 1 << 22, on = 1;
    if (fd < 0) die("socket");
    if (bind(fd, (struct sockaddr *)&address, size)) { close(fd); return -1; }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *bound = ntohs(address.sin_port);
    return fd;
}

static uint16_t open_pair(Viewer *v) {
    for (;;) {
        uint16_t first, second;
        v->rtp = bind_near(&first, 0);
        v->rtcp = first & 1 ? -1 : bind_near(&second, (uint16_t)(first + 1));
        if (v->rtcp >= 0) return first;
        close(v->rtp);
    }
}

static void set_up_next(Viewer *v) {
    static const char play[] = "Range: npt=now-\r\n";
    char transport[120];
    int i = v->set_up;
    if (i == MEDIA) {
        v->phase = PLAY_SENT;
        v->play_at = monotonic_ns();
        ask(v, "PLAY", "", play);
        return;
    }
    if (over_udp) {
        if (i == 0) v->port = open_pair(v);
        snprintf(transport, sizeof transport, "Transport: RTP/AVP;unicast;client_port=%d-%d\r\n", v->port, v->port + 1);
    } else snprintf(transport, sizeof transport, "Transport: RTP/AVP/TCP;unicast;interleaved=%d-%d\r\n", 2 * i, 2 * i + 1);
    v->phase = SETUP_SENT;
    ask(v, "SETUP", v->streams[i].control, transport);
}

static void read_description(Viewer *v, const char *body) {
    Stream *s = NULL;
    for (const char *line = body; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (!strncmp(line, "m=", 2)) {
            s = !strncmp(line, "m=audio", 7) ? &v->streams[0] : !strncmp(line, "m=video", 7) ? &v->streams[1] : NULL;
            const char *type = s ? strstr(line, "RTP/AVP ") : NULL;
            if (type) s->type = (uint8_t)atoi(type + 8);
        } else if (s && !strncmp(line, "a=control:", 10)) sscanf(line + 10, "%79[^\r\n]", s->control);
    }
}

static void on_answer(Viewer *v, char *text, char *body) {
    if (strncmp(text, "RTSP/1.0 200", 12)) {
        fault(number_of(v), REFUSED, 1, "refused: %.60s", text);
        give_up(v);
        return;
    }
    if (v->phase == DESCRIBE_SENT) {
        read_description(v, body);
        set_up_next(v);
    } else if (v->phase == SETUP_SENT) {
        char *session = strcasestr(text, "\nSession:"), *ports = strcasestr(text, "server_port=");
        unsigned rtcp = 0;
        if (session) sscanf(session + 9, " %63[^;\r\n]", v->session);
        if (ports && sscanf(ports + 12, "%*u-%u", &rtcp) == 1) v->server_rtcp = (uint16_t)rtcp;
        v->set_up++;
        set_up_next(v);
    }
}

/* What of the bytes is whole is taken; returns how many those were. */
static uint32_t on_stream(Viewer *v, uint8_t *data, uint32_t n, int64_t now) {
    uint32_t at = 0;
    while (at + 4 <= n && v->phase != FAILED) {
        uint8_t *p = data + at;
        if (*p == '$') {
            uint32_t size = be16(p + 2);
            if (at + 4 + size > n) break;
            if (!(p[1] & 1)) on_rtp(v, p + 4, size, now);
            at += 4 + size;
            continue;
        }
        uint8_t *end = memmem(p, n - at, "\r\n\r\n", 4);
        if (!end) break;
        *end = 0;
        char *length = strcasestr((char *)p, "\nContent-Length:");
        uint32_t body = length ? (uint32_t)atoi(length + 16) : 0, whole = (uint32_t)(end + 4 - p) + body;
        *end = '\r';
        if (at + whole > n) break;
        char text[4096], *rest = text + (end + 4 - p);
        snprintf(text, sizeof text, "%.*s", (int)whole, (char *)p);
        if (whole >= sizeof text || strncmp(text, "RTSP/", 5)) { fault(number_of(v), PROTOCOL, 1, "no answer: %.20s", text); give_up(v); }
        else on_answer(v, text, rest);
        at += whole;
    }
    return at;
}

static void on_bytes(Viewer *v, uint8_t *data, uint32_t n, int64_t now) {
    if (v->holds) {                            /* what is whole with the rest from before */
        if (v->holds + n > HELD) { fault(number_of(v), PROTOCOL, 1, "a message without an end"); give_up(v); return; }
        memcpy(v->held + v->holds, data, n);
        data = v->held;
        n += v->holds;
    }
    uint32_t taken = on_stream(v, data, n, now), left = n - taken;
    memmove(v->held, data + taken, left > HELD ? HELD : left);
    v->holds = left;
}

static void start_viewer(Viewer *v) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    v->held = malloc(HELD);
    if (v->fd < 0 || !v->held) die("socket");
    v->phase = CONNECTING;
    v->rtp = v->rtcp = -1;
    v->next_video = v->first_keyframe_ns = -1;
    connect(v->fd, (struct sockaddr *)&address, sizeof address);         /* its outcome shows at the first send */
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = v};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, v->fd, &event)) die("epoll_ctl");
}

static void on_ready(Viewer *v) {
    if (v->phase == CONNECTING) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
        epoll_ctl(poller, EPOLL_CTL_MOD, v->fd, &event);
        v->phase = DESCRIBE_SENT;
        ask(v, "DESCRIBE", "", "Accept: application/sdp\r\n");
        return;
    }
    ssize_t n = recv(v->fd, buffer, HELD - v->holds, 0);
    if (n > 0) on_bytes(v, buffer, (uint32_t)n, monotonic_ns());
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        fault(number_of(v), CLOSED, 1, "closed by the server: %s", n ? strerror(errno) : "end of stream");
        give_up(v);
    }
}

/* Events until a moment, with the joins on their way; leaves early once everybody plays, if that is what is waited for. */
static void serve(int64_t until, int64_t start, int64_t join, int for_playing) {
    static int joined;
    static int64_t looked;
    struct epoll_event events[256];
    for (int64_t now; (now = monotonic_ns()) < until;) {
        while (joined < count && now >= start + join * joined / count) start_viewer(&viewers[joined++]);
        if (for_playing && playing + failed >= count && now >= start + join) return;
        int64_t next = joined < count ? start + join * joined / count : until;
        int64_t wait = ((next < until ? next : until) - now + 999999) / 1000000, most = over_udp ? INTERVAL / 1000000 : 100;
        int n = epoll_wait(poller, events, 256, (int)(wait < most ? wait : most));
        for (int i = 0; i < n; i++) {
            Viewer *v = events[i].data.ptr;
            if (v->phase != FAILED) on_ready(v);
        }
        now = monotonic_ns();
        if (now < looked + INTERVAL - 1000000) continue;
        looked = now;
        for (Viewer *v = viewers; v < viewers + joined; v++) {
            if (over_udp && v->phase != FAILED && v->rtp >= 0) on_datagrams(v);
            report_reception(v, now);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 10) { fprintf(stderr, "rtsp_viewers CLIP HOST PORT PATH N JOIN_S SETTLE_S STEADY_S tcp|udp\n"); return 2; }
    clip = clip_load(argv[1]);
    host = argv[2]; port = atoi(argv[3]); path = argv[4]; count = atoi(argv[5]);
    over_udp = !strcmp(argv[9], "udp");
    int64_t join = (int64_t)(atof(argv[6]) * SECOND), settle = (int64_t)(atof(argv[7]) * SECOND);
    int64_t steady = (int64_t)(atof(argv[8]) * SECOND), start = monotonic_ns();
    viewers = calloc((size_t)count, sizeof *viewers);
    poller = epoll_create1(0);
    if (!viewers || poller < 0) die("start");
    serve(start + join + 20LL * SECOND, start, join, 1);
    serve(monotonic_ns() + settle, start, join, 0);
    say("steady");
    double cpu = own_cpu();
    int64_t began = monotonic_ns();
    measuring = 1;
    serve(began + steady, start, join, 0);
    measuring = 0;
    double seconds = (double)(monotonic_ns() - began) / 1e9;
    cpu = own_cpu() - cpu;
    say("end");
    serve(monotonic_ns() + SECOND / 4, start, join, 0);    /* keeps reading while the server's CPU is read */
    report_open(playing, failed, seconds, cpu);
    for (Viewer *v = viewers; v < viewers + count; v++) report_viewer(v->first_keyframe_ns, v->next_video);
    report_close();
    return 0;
}
