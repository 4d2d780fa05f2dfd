# Prints which of the addresses answer, each after three tries at most. Runs on nodes and head nodes alike.
for address; do
    (busybox ping -q -c 3 -i 0.3 -W 1 "$address" >/dev/null 2>&1 && echo "$address") &
done
wait
