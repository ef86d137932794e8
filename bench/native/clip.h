/* The clip that bench/clip.py encoded: "ACLP", then records of {u8 type, u8 frame, u16 0, u32 dts ms, u32 length, payload}.
 * The place and shape of a video frame's stamp are those of bench/stamp.py. */
#ifndef BENCH_CLIP_H
#define BENCH_CLIP_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STAMP_AT = 28, INDEX_DIGITS = 8, TIME_DIGITS = 16, STAMP_END = STAMP_AT + INDEX_DIGITS + TIME_DIGITS };
enum { AUDIO = 8, VIDEO = 9, CLIP_MS = 8000 };

typedef struct { uint8_t type, frame; uint32_t dts, length; const uint8_t *data; } Message;
typedef struct {
    Message *video, *audio;                    /* the frames of each kind */
    const Message **all;                       /* the same in sending order */
    int alls, videos, audios;
    Message video_config, audio_config;
} Clip;

static inline int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void die(const char *what) { perror(what); exit(2); }

/* A whole file, which begins with these four letters; it stays in memory. */
static inline const uint8_t *file_load(const char *path, const char *letters, long *size) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)*size);
    if (!data || fread(data, 1, (size_t)*size, file) != (size_t)*size || memcmp(data, letters, 4)) die(path);
    fclose(file);
    return data;
}

static inline Clip clip_load(const char *path) {
    long size;
    const uint8_t *data = file_load(path, "ACLP", &size);
    size_t most = (size_t)size / 12;
    Clip clip = {.all = malloc(most * sizeof(Message *)), .video = malloc(most * sizeof(Message)),
                 .audio = malloc(most * sizeof(Message))};
    for (long at = 4; at + 12 <= size;) {
        Message m = {.type = data[at], .frame = data[at + 1], .data = data + at + 12};
        memcpy(&m.dts, data + at + 4, 4);
        memcpy(&m.length, data + at + 8, 4);
        at += 12 + m.length;
        if (m.frame) {
            Message *place = m.type == VIDEO ? &clip.video[clip.videos++] : &clip.audio[clip.audios++];
            *place = m;
            clip.all[clip.alls++] = place;
        } else if (m.type == VIDEO) clip.video_config = m;
        else if (m.type == AUDIO) clip.audio_config = m;
    }
    return clip;
}

/* One RTMP message as a fmt 0 chunk and as many fmt 3 chunks as it needs; returns the bytes written to `out`. */
static inline size_t chunked(uint8_t *out, int csid, uint8_t type, uint32_t ts, uint32_t stream, const uint8_t *data,
                             uint32_t length, uint32_t chunk) {
    uint8_t *p = out;
    *p++ = (uint8_t)csid;
    *p++ = (uint8_t)(ts >> 16); *p++ = (uint8_t)(ts >> 8); *p++ = (uint8_t)ts;
    *p++ = (uint8_t)(length >> 16); *p++ = (uint8_t)(length >> 8); *p++ = (uint8_t)length;
    *p++ = type;
    *p++ = (uint8_t)stream; *p++ = 0; *p++ = 0; *p++ = 0;
    for (uint32_t at = 0; at < length;) {
        uint32_t n = length - at < chunk ? length - at : chunk;
        if (at) *p++ = (uint8_t)(0xC0 | csid);
        memcpy(p, data + at, n);
        p += n;
        at += n;
    }
    return (size_t)(p - out);
}

/* AMF0, as much as commands need. */
static inline uint8_t *amf_number(uint8_t *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    *p++ = 0;
    for (int shift = 56; shift >= 0; shift -= 8) *p++ = (uint8_t)(bits >> shift);
    return p;
}
static inline uint8_t *amf_text(uint8_t *p, const char *text) {          /* a name in an object: no marker */
    size_t n = strlen(text);
    *p++ = (uint8_t)(n >> 8); *p++ = (uint8_t)n;
    memcpy(p, text, n);
    return p + n;
}
static inline uint8_t *amf_string(uint8_t *p, const char *text) { *p++ = 2; return amf_text(p, text); }
#endif
