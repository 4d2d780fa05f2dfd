/* sliver_shell: the login shell of slivers' accounts, who are in their sliver's guest and nowhere else.
 *
 * It hands what sshd asks for on to nm-enter, by sudo, with nothing of its environment but words of the terminal and
 * the language, and does nothing itself. nm-enter knows by whom it was called, so nothing that is said here can lead
 * into another guest. authorized_keys force the command FORCED; what was asked for is in SSH_ORIGINAL_COMMAND then. */
#define _GNU_SOURCE /* close_range */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef ENTER
#define ENTER "/usr/lib/nm/nm-enter"
#endif
#ifndef SUDO
#define SUDO "/usr/bin/sudo"
#endif
#define FORCED "enter"
#define ORIGINAL "SSH_ORIGINAL_COMMAND="

static char sudo[] = SUDO, no_questions[] = "-n", end_of_options[] = "--", enter[] = ENTER, run[] = "-c";

enum { FAILED = 126, LARGEST_VALUE = 100, MOST_KEPT = 16 };

/* Whether nm-enter may be told this variable: of the terminal or the language, short, and made of harmless letters. */
static bool is_kept(const char *variable) {
    const char *value = strchr(variable, '=');
    const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@:+-";
    if (!value || strlen(value) > LARGEST_VALUE || value[1 + strspn(value + 1, letters)] != '\0')
        return false;
    return strncmp(variable, "TERM=", 5) == 0 || strncmp(variable, "LANG=", 5) == 0 || strncmp(variable, "LC_", 3) == 0;
}

/* What to run in the guest; NULL for a session with a shell. */
static char *command_of(int count, char **arguments, char **environment) {
    if (count != 3 || strcmp(arguments[1], "-c") != 0)
        return NULL;
    if (strcmp(arguments[2], FORCED) != 0)
        return arguments[2];
    for (; *environment; environment++)
        if (strncmp(*environment, ORIGINAL, strlen(ORIGINAL)) == 0)
            return *environment + strlen(ORIGINAL);
    return NULL;
}

int main(int count, char **arguments, char **environment) {
    char *kept[MOST_KEPT + 1] = {NULL};
    size_t kept_count = 0;
    for (char **variable = environment; *variable && kept_count < MOST_KEPT; variable++)
        if (is_kept(*variable))
            kept[kept_count++] = *variable;
    char *command = command_of(count, arguments, environment);
    char *words[] = {sudo, no_questions, end_of_options, enter, command ? run : NULL, command, NULL};
    if (count != 1 && count != 3) {
        fprintf(stderr, "nm: this account enters a guest; say `ssh ACCOUNT@HOST [COMMAND]`\n");
        return FAILED;
    }
    close_range(STDERR_FILENO + 1, ~0U, 0);
    execve(sudo, words, kept);
    fprintf(stderr, "nm: " SUDO ": %s; %s\n", strerror(errno),
            errno == E2BIG ? "make the command shorter" : "tell this machine's administrator");
    return FAILED;
}
