/* The least that a program can do between standard input, a Unix socket and standard output: copy bytes there and
 * back, unchecked. relay SOCKET */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int copy(int from, int to) {
    static char piece[1 << 16];
    ssize_t count;
    while ((count = read(from, piece, sizeof piece)) > 0)
        if (write(to, piece, (size_t)count) != count)
            return 1;
    return count != 0;
}

int main(int count, char **arguments) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (count != 2 || strlen(arguments[1]) >= sizeof address.sun_path)
        return 1;
    strcpy(address.sun_path, arguments[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    return copy(STDIN_FILENO, fd) || copy(fd, STDOUT_FILENO);
}
