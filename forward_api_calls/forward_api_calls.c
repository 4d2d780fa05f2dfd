/* forward_api_calls: the login shell of delegate accounts, who can do nothing but call the API.
 *
 * It reads one XML-RPC request from standard input, sends it to nm's Unix socket, and writes the answer to standard
 * output: all of it, or a fault that says what went wrong. It reads neither arguments nor environment, so whatever
 * command somebody gives to sshd is this one call; and it does not look into XML.
 *
 * Exit status: 0 for an answer, also when that is a fault; one of `enum exit_status` when there is none. */
#define _GNU_SOURCE /* struct ucred, memmem, strcasestr, vmsplice */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SOCKET /* who names another one names all four */
#define SOCKET "/run/nm/api.sock"
#define OWNER 0            /* the daemon's uid */
#define REQUEST_TIME 30000 /* milliseconds from the start until the request has been read */
#define TOTAL_TIME 120000  /* and to the end; WaitJob alone may take 60000 */
#endif

enum exit_status { BAD_REQUEST = 1, NO_DAEMON = 2, NO_ANSWER = 3, REFUSED = 4, NO_READER = 5 };
enum code { INVALID = 102, UNEXPECTED = 104, TRY_LATER = 109 }; /* of faults, as the API numbers them */
enum bytes { LARGEST_REQUEST = 1 << 20, REQUEST_HEAD = 128, SMALL = 1 << 14, HUGE_PAGE = 1 << 21 };

/* What is small needs no memory of its own; an answer's head must be. */
struct buffer { char *data; size_t size, room; };
static char request_start[SMALL], answer_start[SMALL];
static struct buffer request = {request_start, REQUEST_HEAD, SMALL}, answer = {answer_start, 0, SMALL};
static long long started;

static long long now(void) { /* in milliseconds, as all times here */
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    return clock.tv_sec * 1000LL + clock.tv_nsec / 1000000;
}

/* Waits until so long after the start: which event there is, or 0. No signal is handled, so none interrupts. */
static short await(int fd, short events, int limit) {
    struct pollfd waiting = {.fd = fd, .events = events};
    long long left = started + limit - now();
    return poll(&waiting, 1, left > 0 ? (int)left : 0) > 0 ? waiting.revents : 0;
}

/* Whether all was written, before the time was up and before anything else happened there. Nothing blocks: a pipe that
 * is ready takes a copy of PIPE_BUF bytes, or else our own pages, in which nothing may change from then on. */
static bool write_all(int fd, short events, char *data, size_t size) {
    for (ssize_t count; size > 0 && await(fd, events, TOTAL_TIME) == POLLOUT; data += count, size -= (size_t)count) {
        count = send(fd, data, size, MSG_DONTWAIT);
        if (count < 0 && errno == ENOTSOCK && size > PIPE_BUF)
            count = vmsplice(fd, &(struct iovec){data, size}, 1, SPLICE_F_NONBLOCK);
        if (count < 0 && (errno == ENOTSOCK || errno == EBADF)) /* by which vmsplice says that it is no pipe */
            count = write(fd, data, size < PIPE_BUF ? size : PIPE_BUF);
        if (count < 0)
            return false;
    }
    return size == 0;
}

/* Ends with a fault. Its text needs no escapes: nothing in it comes from outside. */
__attribute__((format(printf, 3, 4)))
_Noreturn static void fail(enum exit_status status, enum code code, const char *format, ...) {
    char text[512], fault[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int size = snprintf(fault, sizeof fault, "<?xml version=\"1.0\"?>\n<methodResponse><fault><value><struct>"
                        "<member><name>faultCode</name><value><int>%d</int></value></member>"
                        "<member><name>faultString</name><value><string>%s</string></value></member>"
                        "</struct></value></fault></methodResponse>\n", code, text);
    write_all(STDOUT_FILENO, POLLOUT, fault, (size_t)size);
    exit(status);
}

/* More room, of huge pages: many small ones take longer to get than to fill. */
static void make_room(struct buffer *buffer, size_t room) {
    size_t size = (room | (HUGE_PAGE - 1)) + 1;
    char *data = aligned_alloc(HUGE_PAGE, size);
    if (!data)
        fail(NO_ANSWER, TRY_LATER, "no memory for %zu bytes; ask for less, or try again later", room);
    madvise(data, size, MADV_HUGEPAGE);
    *buffer = (struct buffer){memcpy(data, buffer->data, buffer->size), buffer->size, room};
}

/* Appends what can be read: how much, 0 at the end, or -1 with errno. */
static ssize_t read_more(int fd, struct buffer *buffer, int limit) {
    errno = ETIMEDOUT;
    ssize_t count = await(fd, POLLIN, limit) ? read(fd, buffer->data + buffer->size, buffer->room - buffer->size) : -1;
    buffer->size += count > 0 ? (size_t)count : 0;
    return count;
}

static void read_request(void) {
    const size_t largest = REQUEST_HEAD + LARGEST_REQUEST + 1;
    ssize_t count;
    while ((count = read_more(STDIN_FILENO, &request, REQUEST_TIME)) > 0 && request.size < largest)
        if (request.size == request.room)
            make_room(&request, largest);
    if (count < 0)
        fail(BAD_REQUEST, INVALID, "the request did not end: %s; send it and close standard input", strerror(errno));
    if (request.size == REQUEST_HEAD || request.size == largest)
        fail(BAD_REQUEST, INVALID, "the request is %s; send one XML-RPC methodCall of at most %d bytes",
             request.size == largest ? "too long" : "empty", LARGEST_REQUEST);
}

/* A connection to nobody but the daemon: not by way of a link, nor to who took its place. */
static int connect_daemon(void) {
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    struct ucred peer = {0};
    struct stat file;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || lstat(SOCKET, &file) != 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fail(NO_DAEMON, errno == EAGAIN ? TRY_LATER : UNEXPECTED,
             "nm takes no calls now: %s; try again later, or ask its administrator", strerror(errno));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof peer}) != 0 || peer.uid != OWNER
        || !S_ISSOCK(file.st_mode) || file.st_uid != OWNER)
        fail(NO_DAEMON, UNEXPECTED, "%s is not nm's; nothing was sent; tell its administrator", SOCKET);
    return fd;
}

/* Stops early when the daemon answers or hangs up before it has everything; what it said is then the answer. */
static void send_request(int fd) {
    char head[REQUEST_HEAD];
    int size = snprintf(head, sizeof head, "POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\n"
                        "Content-Length: %zu\r\n\r\n", request.size - REQUEST_HEAD);
    char *start = memcpy(request.data + REQUEST_HEAD - size, head, (size_t)size);
    write_all(fd, POLLIN | POLLOUT, start, (size_t)(request.data + request.size - start));
}

/* The length of an answer's body, or -1: it must be said once, in at most eight digits, and nothing else hold. */
static long parse_length(const char *head) {
    const char name[] = "\r\nContent-Length:", *value = strcasestr(head, name);
    if (!value || strcasestr(value + 1, name) || strcasestr(head, "\r\nTransfer-Encoding:"))
        return -1;
    value += strlen(name) + strspn(value + strlen(name), " ");
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits <= 8 && digits == strcspn(value, "\r") ? atol(value) : -1;
}

static void receive(int fd) {
    ssize_t count = read_more(fd, &answer, TOTAL_TIME);
    if (count <= 0)
        fail(NO_ANSWER, UNEXPECTED, "nm gave no whole answer: %s; look what it did before you repeat the call",
             count < 0 ? strerror(errno) : "it hung up");
}

/* The length of the body that belongs to this head. */
static size_t check_head(const char *head) {
    bool http = strncmp(head, "HTTP/1.0 ", 9) == 0 || strncmp(head, "HTTP/1.1 ", 9) == 0;
    int status = http && strspn(head + 9, "0123456789") == 3 ? atoi(head + 9) : 0;
    long length = parse_length(head);
    if (status == 503)
        fail(REFUSED, TRY_LATER, "nm has too many callers now; try again later");
    if (status != 0 && status != 200)
        fail(REFUSED, INVALID, "nm refused the request with HTTP status %d; send one XML-RPC methodCall", status);
    if (status != 200 || length <= 0)
        fail(NO_ANSWER, UNEXPECTED, "what nm answered cannot be trusted; look what it did before you repeat the call");
    return (size_t)length;
}

/* Reads as far as the answer's head says; the length of its body, which ends the buffer. */
static size_t read_answer(int fd) {
    char *end = NULL;
    for (; !end && answer.size < answer.room; end = memmem(answer.data, answer.size, "\r\n\r\n", 4))
        receive(fd);
    if (end)
        *end = '\0';
    size_t length = check_head(end && strlen(answer.data) == (size_t)(end - answer.data) ? answer.data : "");
    size_t whole = (size_t)(end - answer.data) + 4 + length;
    if (whole > answer.room)
        make_room(&answer, whole);
    answer.room = whole;
    while (answer.size < answer.room)
        receive(fd);
    return length;
}

int main(void) {
    started = now();
    signal(SIGPIPE, SIG_IGN);
    if (write(STDOUT_FILENO, "", 0) < 0) /* it is closed: the connection would get its number */
        return NO_READER;
    read_request();
    int fd = connect_daemon();
    send_request(fd);
    size_t length = read_answer(fd);
    return write_all(STDOUT_FILENO, POLLOUT, answer.data + answer.room - length, length) ? 0 : NO_READER;
}
