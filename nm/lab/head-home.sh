#!/bin/sh
# Answers the call home of a node, and says so on the head node's console. A CGI program.
printf 'Content-Type: text/plain\r\n\r\nwelcome\n'
echo "$(hostname): ${QUERY_STRING#mac=} called home" >/dev/console
