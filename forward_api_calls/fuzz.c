/* Feeds odd answers to the forwarder's reading half: fuzz [SECONDS [SEED]].
 *
 * Answers are made from a grammar of good and bad parts, then damaged, and arrive in pieces of any size. Memory and
 * undefined behaviour are watched by sanitizers; here it is checked that an answer is taken only when a second,
 * plainer reading agrees, byte by byte, and that every good one is taken. LLVMFuzzerTestOneInput is libFuzzer's, too:
 * clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER fuzz.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

_Noreturn static void leave(int status);
static ssize_t give(void *place, size_t room);

/* The program itself, with its input and its end in our hands. */
#define SOCKET "api.sock"
#define OWNER 0
#define REQUEST_TIME 1000000
#define TOTAL_TIME 1000000
#define main forward_main
int forward_main(void);
#define exit(status) leave(status)
#define read(fd, place, room) give(place, room)
#include "forward_api_calls.c"
#undef main
#undef exit
#undef read

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

static struct {
    const char *data;
    size_t size, given;
} input;
static jmp_buf refusal;
static uint64_t state = 88172645463325252U; /* of xorshift64: the same seed gives the same answers */
static bool taken;

const char *__asan_default_options(void) {
    return "quarantine_size_mb=16"; /* answers may claim 100 MB, and there are many */
}

static uint32_t chance(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void leave(int status) {
    longjmp(refusal, status);
}

static ssize_t give(void *place, size_t room) {
    size_t left = input.size - input.given, piece = chance(4) ? 1 + chance(40) : left;
    piece = piece < left ? piece : left;
    piece = piece < room ? piece : room;
    memcpy(place, input.data + input.given, piece);
    input.given += piece;
    return (ssize_t)piece;
}

static void demand(bool true_so, const char *what) {
    if (!true_so) {
        fprintf(stderr, "%s:\n%.*s\n", what, (int)input.size, input.data);
        abort();
    }
}

/* How often a word stands in these bytes, in any case of letters. */
static int occurrences(const char *word, const char *bytes, size_t size) {
    int count = 0;
    for (size_t i = 0; i + strlen(word) <= size; i++)
        count += strncasecmp(bytes + i, word, strlen(word)) == 0;
    return count;
}

static void check_taken(const char *body, size_t length) {
    const char *end = memmem(input.data, input.size, "\r\n\r\n", 4);
    demand(end != NULL, "taken without the end of a head");
    size_t head = (size_t)(end - input.data);
    demand(head + 4 <= SMALL, "taken with too large a head");
    demand(memchr(input.data, 0, head) == NULL, "taken with a NUL in the head");
    demand(memcmp(input.data, "HTTP/1.", 7) == 0 && memcmp(input.data + 8, " 200", 4) == 0, "taken with another status");
    demand(occurrences("\r\ncontent-length:", input.data, head) == 1, "taken with another number of lengths");
    demand(occurrences("\r\ntransfer-encoding:", input.data, head) == 0, "taken with another framing");
    demand(length > 0, "taken without a body");
    demand(length <= input.size - head - 4, "taken cut short");
    demand(memcmp(body, end + 4, length) == 0, "taken with another body");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int ready = -1; /* what poll finds ready whenever it is asked */
    if (ready < 0) {
        ready = open("/dev/null", O_RDWR);
        dup2(ready, STDOUT_FILENO);
        started = now();
    }
    input.data = (const char *)data;
    input.size = size;
    input.given = 0;
    taken = false;
    if (setjmp(refusal) == 0) {
        size_t length = read_answer(ready);
        check_taken(answer.data + answer.room - length, length);
        taken = true;
    }
    if (answer.data != answer_start)
        free(answer.data);
    answer = (struct buffer){answer_start, 0, SMALL};
    return 0;
}

#ifndef LIBFUZZER
enum { LARGEST = 1 << 15 };
static char made[LARGEST];
static size_t used;

static void add(const char *text, size_t size) {
    size = size < LARGEST - used ? size : LARGEST - used;
    memcpy(made + used, text, size);
    used += size;
}

static const char *any_of(const char *const *texts) {
    uint32_t count = 0;
    while (texts[count])
        count++;
    return texts[chance(count)];
}

static const char *const first_lines[] = {
    "HTTP/1.0 200 OK", "HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.0 503 Service Unavailable", "HTTP/1.1 400 Bad Request",
    "HTTP/1.0 500 Oh", "HTTP/1.0 000 ?", "HTTP/1.0 2000 OK", "HTTP/1.0 +20 OK", "HTTP/1.0  200 OK", "HTTP/2 200", "", "SSH-2.0",
    "HTTP/1.0\r\n200 OK", "HTTP/1.0 20", NULL};
static const char *const lengths[] = {
    "Content-Length: %zu", "content-length:%zu", "CONTENT-LENGTH:    %zu", "Content-Length: 00%zu", "Content-Length: -%zu",
    "Content-Length: %zu ", "Content-Length : %zu", "Content-Length: %zu, %zu", "Content-Length: 9999999%zu",
    "Content-Length: 99999999999999999999%zu", "Content-Length:", "X-Content-Length: %zu", "Content-Length: 0x%zx", NULL};
static const char *const other_lines[] = {
    "Content-Type: text/xml", "Connection: close", "Transfer-Encoding: chunked", "transfer-encoding:identity", "odd", ":",
    "Content-Length: 3", "Content-Length", " Content-Length: 7", NULL};

static void add_line(const char *line) {
    add(line, strlen(line));
    add("\r\n", 2);
}

/* An answer with a body of that size; whether it is a good one, which is never empty. */
static bool make_answer(size_t size) {
    bool good = size > 0 && chance(2);
    char length[128];
    const char *form = good ? lengths[chance(4)] : any_of(lengths);
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* all of them take sizes */
    snprintf(length, sizeof length, form, size, size);
    used = 0;
    add_line(good ? first_lines[chance(3)] : any_of(first_lines));
    for (uint32_t count = chance(4); count > 0; count--)
        add_line(good ? other_lines[chance(2)] : any_of(other_lines));
    for (uint32_t count = good || chance(50) ? 0 : chance(800); count > 0; count--)
        add_line("X-Filler: many of these make a head too large");
    add_line(length);
    add("\r\n", 2);
    for (; size > 0; size--)
        add(&(char){(char)chance(256)}, 1);
    return good;
}

/* Cuts it, repeats a part of it, or changes bytes; whether it did. */
static bool damage(void) {
    uint32_t kind = chance(6), place = chance((uint32_t)used);
    if (kind == 0)
        used = place;
    else if (kind == 1)
        add(made + place, chance((uint32_t)(used - place)));
    else if (kind == 2)
        for (uint32_t count = 1 + chance(4); count > 0; count--)
            made[chance((uint32_t)used)] = chance(2) ? "\r\n\0: 09"[chance(7)] : (char)chance(256);
    return kind <= 2;
}

/* From a copy of just its size, so that reading beyond it is noticed. */
static void try(bool good) {
    uint8_t *copy = malloc(used ? used : 1);
    memcpy(copy, made, used);
    LLVMFuzzerTestOneInput(copy, used);
    demand(taken || !good, "a good answer was not taken");
    free(copy);
}

int main(int count, char **arguments) {
    long long seconds = count > 1 ? atoi(arguments[1]) : 10, begun = now();
    state ^= count > 2 ? strtoull(arguments[2], NULL, 10) : (uint64_t)time(NULL) * 2654435761U;
    fprintf(stderr, "state %llu, ", (unsigned long long)state);
    unsigned long long tried = 0, accepted = 0;
    while (now() - begun < seconds * 1000) {
        bool good = make_answer(chance(3) ? chance(300) : chance(20000));
        try(!damage() && good);
        tried++;
        accepted += taken;
    }
    fprintf(stderr, "%llu answers, %llu of them taken\n", tried, accepted);
    return 0;
}
#endif
