/* N RTMP viewers in one process: they join evenly within JOIN seconds, check every byte they get against the clip, and
 * measure the time to the first keyframe and the added latency. One line of JSON per event on stdout:
 * steady, end (between the two the server's CPU is measured), result.
 * viewers CLIP HOST PORT APP NAME N JOIN_S SETTLE_S STEADY_S */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "crowd.h"

enum { SLOTS = 64, PREFIX = 64, COMMAND = 1024, BUFFER = 1 << 18 };
enum Phase { WAITING, CONNECTING, HANDSHAKE, CONNECT_SENT, CREATE_SENT, PLAY_SENT, PLAYING, FAILED };

typedef struct {                               /* one chunk stream of one viewer */
    uint32_t ts, delta, length, got;
    uint8_t type, extended, identified;
    const Message *reference;                  /* what the clip says this message must be */
    uint8_t prefix[PREFIX];
} Slot;

typedef struct {
    int fd, phase, in_payload, has_config, next_audio, last_audio_known;
    uint32_t chunk_size, chunk_left, handshake, head_got, command_got, last_video_ts;
    uint64_t received, acknowledged, window;
    int64_t play_at, first_keyframe_ns, next_video;
    Slot *slot;
    uint8_t head[18], command[COMMAND];
    Slot slots[SLOTS];
} Viewer;

static Clip clip;
static Viewer *viewers;
static int count, poller, playing, failed;
static const char *host, *app, *name;
static int port;
static uint8_t buffer[BUFFER];

static void give_up(Viewer *v) {
    if (v->phase == FAILED) return;
    v->phase = FAILED;
    failed++;
    close(v->fd);
}

static void transmit(Viewer *v, const uint8_t *data, size_t n) {
    if (send(v->fd, data, n, MSG_NOSIGNAL) != (ssize_t)n) {      /* a few hundred bytes always fit an idle socket */
        fault((int)(v - viewers), CLOSED, 1, "cannot send: %s", strerror(errno));
        give_up(v);
    }
}

static void send_command(Viewer *v, const uint8_t *body, const uint8_t *end, uint32_t stream) {
    uint8_t out[1200];
    transmit(v, out, chunked(out, 3, 20, 0, stream, body, (uint32_t)(end - body), 128));
}

static void send_control(Viewer *v, uint8_t type, const uint8_t *body, uint32_t length) {
    uint8_t out[64];
    transmit(v, out, chunked(out, 2, type, 0, 0, body, length, 128));
}

static void send_connect(Viewer *v) {
    uint8_t body[900], *p = body;
    char url[300];
    snprintf(url, sizeof url, "rtmp://%s:%d/%s", host, port, app);
    p = amf_number(amf_string(p, "connect"), 1);
    *p++ = 3;
    p = amf_string(amf_text(p, "app"), app);
    p = amf_string(amf_text(p, "flashVer"), "LNX 9,0,124,2");
    p = amf_string(amf_text(p, "tcUrl"), url);
    *p++ = 0; *p++ = 0; *p++ = 9;
    send_command(v, body, p, 0);
    v->phase = CONNECT_SENT;
}

static void send_play(Viewer *v, uint32_t stream) {
    uint8_t body[600], *p = amf_number(amf_string(body, "play"), 3);
    *p++ = 5;
    p = amf_number(amf_string(p, name), -2000);
    v->play_at = monotonic_ns();
    v->phase = PLAY_SENT;
    send_command(v, body, p, stream);
}

static double amf_read_number(const uint8_t *p) {
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static void on_command(Viewer *v) {
    const uint8_t *c = v->command;
    uint32_t n = v->command_got;
    if (n >= 19 && !memcmp(c, "\2\0\7_result\0", 11)) {
        if (v->phase == CONNECT_SENT) {
            uint8_t body[64], *p = amf_number(amf_string(body, "createStream"), 2);
            *p++ = 5;
            v->phase = CREATE_SENT;
            send_command(v, body, p, 0);
        } else if (v->phase == CREATE_SENT && n >= 29 && c[19] == 5 && c[20] == 0)
            send_play(v, (uint32_t)amf_read_number(c + 21));
        return;
    }
    if (memmem(c, n, "_error", 6) || (memmem(c, n, "onStatus", 8) && memmem(c, n, "\2\0\5error", 8))) {
        const uint8_t *code = memmem(c, n, "Net", 3);
        fault((int)(v - viewers), REFUSED, 1, "refused: %.*s", code ? (int)strnlen((const char *)code, c + n - code) : 0, code ? code : c);
        give_up(v);
    }
}

static void on_control(Viewer *v, uint8_t type) {
    const uint8_t *c = v->command;
    uint32_t n = v->command_got;
    if (type == 1 && n >= 4) v->chunk_size = be32(c) & 0x7FFFFFFF;
    else if (type == 5 && n >= 4) v->window = be32(c);
    else if (type == 4 && n >= 6 && c[1] == 6) {                           /* ping request: answer it, as players do */
        uint8_t pong[6] = {0, 7, c[2], c[3], c[4], c[5]};
        send_control(v, 4, pong, 6);
    } else if (type == 20) on_command(v);
    else if (type != 3 && type != 4 && type != 6 && type != 18)
        fault((int)(v - viewers), UNEXPECTED, 1, "message type %d", type);
}

static int same(const Message *m, uint32_t at, const uint8_t *data, uint32_t n) {
    if (m->type != VIDEO || !m->frame || at >= STAMP_END) return !memcmp(m->data + at, data, n);
    /* only ever asked from 0: the stamp lies within the prefix */
    return !memcmp(m->data, data, STAMP_AT) && !memcmp(m->data + STAMP_END, data + STAMP_END, n - STAMP_END);
}

static const Message *identify_audio(Viewer *v, Slot *s, uint32_t n) {
    if (s->prefix[1] == 0) return &clip.audio_config;
    if (!v->last_audio_known) {                /* the first: where in the loop it is, its length and first bytes tell */
        for (int i = 0; i < clip.audios; i++)
            if (clip.audio[i].length == s->length && !memcmp(clip.audio[i].data, s->prefix, n)) {
                v->next_audio = i;
                v->last_audio_known = 1;
                break;
            }
    }
    const Message *m = &clip.audio[v->next_audio];
    v->next_audio = (v->next_audio + 1) % clip.audios;
    return m;
}

static const Message *identify_video(Viewer *v, Slot *s) {
    if (s->prefix[1] == 0) { v->has_config = 1; return &clip.video_config; }
    if (s->length <= STAMP_END) return NULL;
    int64_t index = hexadecimal(s->prefix + STAMP_AT, INDEX_DIGITS);
    if (index < 0) return NULL;
    const Message *m = &clip.video[index % clip.videos];
    if (v->next_video < 0 && (!v->has_config || s->prefix[0] >> 4 != 1))
        fault((int)(v - viewers), UNEXPECTED, 1, "starts without %s", v->has_config ? "a keyframe" : "a configuration");
    else if (v->next_video >= 0 && index > v->next_video)
        fault((int)(v - viewers), MISSING, (uint64_t)(index - v->next_video), "frame %lld after %lld", (long long)index, (long long)v->next_video - 1);
    else if (index < v->next_video) fault((int)(v - viewers), REPEATED, 1, "frame %lld again", (long long)index);
    v->next_video = index + 1;
    if (s->ts < v->last_video_ts) fault((int)(v - viewers), BACKWARDS, 1, "timestamp %u after %u", s->ts, v->last_video_ts);
    v->last_video_ts = s->ts;
    return m;
}

static void identify(Viewer *v, Slot *s, uint32_t n) {
    s->identified = 1;
    s->reference = n < 2 ? NULL : s->type == AUDIO ? identify_audio(v, s, n) : identify_video(v, s);
    if (!s->reference || s->reference->length != s->length || !same(s->reference, 0, s->prefix, n)) {
        fault((int)(v - viewers), MISMATCHED, 1, "message of type %d, length %u is not the clip's", s->type, s->length);
        s->reference = NULL;
    }
}

static void on_media_done(Viewer *v, Slot *s, int64_t now) {
    if (measuring) window_payload += s->length;
    if (s->type != VIDEO || s->prefix[1] != 1 || !s->reference) return;
    if (v->first_keyframe_ns < 0 && s->prefix[0] >> 4 == 1) {
        v->first_keyframe_ns = now - v->play_at;
        v->phase = PLAYING;
        playing++;
    }
    if (!measuring) return;
    note_latency(now - hexadecimal(s->prefix + STAMP_AT + INDEX_DIGITS, TIME_DIGITS));
}

static void on_payload(Viewer *v, const uint8_t *data, uint32_t n, int64_t now) {
    Slot *s = v->slot;
    if (s->type == AUDIO || s->type == VIDEO) {
        uint32_t at = s->got, used = 0;
        if (at < PREFIX) {
            used = n < PREFIX - at ? n : PREFIX - at;
            memcpy(s->prefix + at, data, used);
            if (at + used == PREFIX || at + used == s->length) identify(v, s, at + used);
        }
        if (used < n && s->reference && !same(s->reference, at + used, data + used, n - used)) {
            fault((int)(v - viewers), MISMATCHED, 1, "bytes after %u of a message of type %d differ", at + used, s->type);
            s->reference = NULL;
        }
    } else {
        if (s->got == 0) v->command_got = 0;
        uint32_t room = COMMAND - v->command_got, take = n < room ? n : room;
        memcpy(v->command + v->command_got, data, take);
        v->command_got += take;
    }
    s->got += n;
    v->chunk_left -= n;
    if (v->chunk_left == 0) v->in_payload = 0;
    if (s->got < s->length) return;
    s->got = 0;
    if (s->type == AUDIO || s->type == VIDEO) on_media_done(v, s, now);
    else on_control(v, s->type);
}

static uint32_t chunk_stream(const uint8_t *h) {
    uint32_t low = h[0] & 63;
    return low == 0 ? 64u + h[1] : low == 1 ? 64u + h[1] + 256u * h[2] : low;
}

static uint32_t be24(const uint8_t *p) { return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]; }

/* Bytes the header needs as far as the bytes so far tell. */
static uint32_t header_wants(const Viewer *v) {
    static const uint32_t sizes[4] = {11, 7, 3, 0};
    if (v->head_got < 1) return 1;
    uint32_t low = v->head[0] & 63, basic = low == 0 ? 2 : low == 1 ? 3 : 1, form = v->head[0] >> 6;
    if (v->head_got < basic) return basic;
    uint32_t total = basic + sizes[form];
    if (v->head_got < total) return total;
    uint32_t id = chunk_stream(v->head);
    int extended = form == 3 ? id < SLOTS && v->slots[id].extended : be24(v->head + basic) == 0xFFFFFF;
    return total + (extended ? 4 : 0);
}

static void on_header(Viewer *v, int64_t now) {
    uint32_t id = chunk_stream(v->head), low = v->head[0] & 63, form = v->head[0] >> 6;
    const uint8_t *h = v->head + (low == 0 ? 2 : low == 1 ? 3 : 1);
    if (id >= SLOTS) { fault((int)(v - viewers), PROTOCOL, 1, "chunk stream %u", id); give_up(v); return; }
    Slot *s = v->slot = &v->slots[id];
    if (form < 3 && s->got) { fault((int)(v - viewers), PROTOCOL, 1, "a new message inside another"); give_up(v); return; }
    if (form < 3) {
        uint32_t field = be24(h);
        s->extended = field == 0xFFFFFF;
        s->delta = s->extended ? be32(v->head + v->head_got - 4) : field;
        if (form < 2) { s->length = be24(h + 3); s->type = h[6]; }
    }
    if (s->got == 0) {
        s->ts = form == 0 ? s->delta : s->ts + s->delta;
        s->identified = 0;
        s->reference = NULL;
    }
    v->head_got = 0;
    uint32_t left = s->length - s->got;
    v->chunk_left = left < v->chunk_size ? left : v->chunk_size;
    v->in_payload = 1;
    if (s->length == 0) on_payload(v, NULL, 0, now);
}

static void on_handshake(Viewer *v, const uint8_t **data, uint32_t *n) {
    static uint8_t reply[1536];
    uint32_t left = 3073 - v->handshake, used = *n < left ? *n : left;
    v->handshake += used;
    *data += used;
    *n -= used;
    if (v->handshake < 3073) return;
    transmit(v, reply, sizeof reply);          /* C2 should echo S1; no server of note checks it, and zeros are cheap */
    if (v->phase != FAILED) send_connect(v);
}

static void on_bytes(Viewer *v, const uint8_t *data, uint32_t n, int64_t now) {
    v->received += n;
    if (measuring) window_bytes += n;
    if (v->phase == HANDSHAKE) on_handshake(v, &data, &n);
    while (n && v->phase != FAILED) {
        if (v->in_payload) {
            uint32_t take = n < v->chunk_left ? n : v->chunk_left;
            on_payload(v, data, take, now);
            data += take;
            n -= take;
            continue;
        }
        uint32_t wants;
        while ((wants = header_wants(v)) > v->head_got && n) {
            v->head[v->head_got++] = *data++;
            n--;
        }
        if (wants <= v->head_got) on_header(v, now);
    }
    if (v->window && v->received - v->acknowledged >= v->window && v->phase != FAILED) {
        v->acknowledged = v->received;
        uint32_t total = (uint32_t)v->received;
        uint8_t body[4] = {(uint8_t)(total >> 24), (uint8_t)(total >> 16), (uint8_t)(total >> 8), (uint8_t)total};
        send_control(v, 3, body, 4);
    }
}

static void start_viewer(Viewer *v) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (v->fd < 0) die("socket");
    v->phase = CONNECTING;
    v->chunk_size = 128;
    v->next_video = v->first_keyframe_ns = -1;
    connect(v->fd, (struct sockaddr *)&address, sizeof address);         /* its outcome shows at the first send */
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = v};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, v->fd, &event)) die("epoll_ctl");
}

static void on_ready(Viewer *v) {
    if (v->phase == CONNECTING) {
        static uint8_t hello[1537] = {3};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
        epoll_ctl(poller, EPOLL_CTL_MOD, v->fd, &event);
        v->phase = HANDSHAKE;
        transmit(v, hello, sizeof hello);
        return;
    }
    ssize_t n = recv(v->fd, buffer, BUFFER, 0);
    if (n > 0) on_bytes(v, buffer, (uint32_t)n, monotonic_ns());
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        fault((int)(v - viewers), CLOSED, 1, "closed by the server: %s", n ? strerror(errno) : "end of stream");
        give_up(v);
    }
}

/* Events until a moment, with the joins on their way; leaves early once everybody plays, if that is what is waited for. */
static void serve(int64_t until, int64_t start, int64_t join, int for_playing) {
    static int joined;
    struct epoll_event events[256];
    for (int64_t now; (now = monotonic_ns()) < until;) {
        while (joined < count && now >= start + join * joined / count) start_viewer(&viewers[joined++]);
        if (for_playing && playing + failed >= count && now >= start + join) return;
        int64_t next = joined < count ? start + join * joined / count : until;
        int64_t wait = ((next < until ? next : until) - now + 999999) / 1000000;
        int n = epoll_wait(poller, events, 256, wait < 100 ? (int)wait : 100);
        for (int i = 0; i < n; i++) {
            Viewer *v = events[i].data.ptr;
            if (v->phase != FAILED) on_ready(v);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 10) { fprintf(stderr, "viewers CLIP HOST PORT APP NAME N JOIN_S SETTLE_S STEADY_S\n"); return 2; }
    clip = clip_load(argv[1]);
    host = argv[2]; port = atoi(argv[3]); app = argv[4]; name = argv[5]; count = atoi(argv[6]);
    int64_t join = (int64_t)(atof(argv[7]) * SECOND), settle = (int64_t)(atof(argv[8]) * SECOND);
    int64_t steady = (int64_t)(atof(argv[9]) * SECOND), start = monotonic_ns();
    viewers = calloc((size_t)count, sizeof *viewers);
    poller = epoll_create1(0);
    if (!viewers || poller < 0) die("start");
    serve(start + join + 20LL * SECOND, start, join, 1);   /* leaves early once everybody plays */
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
