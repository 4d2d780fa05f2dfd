# The package's life in a booted system, for bash; run by test_package.py. /shared has old.deb and new.deb.
# Every line must succeed; what is tested is said before.

say() { printf '\n== %s\n' "$*"; }
fails() { if "$@"; then echo "did not fail: $*"; exit 1; fi; }
main_pid() { systemctl show --property=MainPID --value nmd; }
until_true() { # waits for it, a minute at most
    for _ in $(seq 600); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.1; done
    echo "never became true: $*"
    journalctl --unit=nmd --no-pager | tail -30
    exit 1
}
gone() { ! kill -0 "$1"; }
another() { [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ] && systemctl is-active --quiet nmd; }
by() { local name=$1; shift; setpriv --reuid="$name" --regid="$name" --init-groups "$@"; }
by_tcp() { by "$1" python3 -c 'import xmlrpc.client; print(xmlrpc.client.ServerProxy("http://localhost:812").WhoAmI()["name"])'; }

# Calls over SSH, each by one key; an answer is good when it is all there is on standard output.
mkdir /run/people
for key in web alpha other; do ssh-keygen -q -t ed25519 -N '' -f "/run/people/$key"; done
by_ssh() { # KEY ACCOUNT
    ssh -F none -i "/run/people/$1" -o IdentitiesOnly=yes -o BatchMode=yes -T "$2@localhost"
}
answers() { # KEY ACCOUNT
    local answer
    answer=$(echo '<methodCall><methodName>WhoAmI</methodName></methodCall>' | by_ssh "$1" "$2") || return
    [[ $answer == "<?xml"*"<name>name</name><value><string>$2</string>"*"</methodResponse>" ]]
}
refused() { fails answers "$@" 2>&1; }

say "install; where SSSD is, it hears of new accounts"
mkdir -p /var/lib/sss
printf '#!/bin/sh\necho "$*" >>/var/lib/sss/told\n' >/usr/sbin/sss_cache
chmod 755 /usr/sbin/sss_cache
dpkg --install old.deb
systemctl is-active nmd
systemctl is-enabled nmd
nmctl --quiet --json version | grep '"nm": "0.1.0"'
[ "$(stat -c '%a %U' /run/nm /run/nm/api.sock /var/lib/nm /etc/nm/secrets | tr '\n' ,)" = "755 root,666 root,700 root,700 root," ]
[ "$(stat -c '%a %U' /var/lib/nm-homes)" = "755 root" ]

say "accounts of slivers may run what enters their guests, and nobody else may"
visudo --check --strict
getent group nm-slivers
[ "$(stat -c '%a %U' /etc/sudoers.d/nm /usr/lib/nm/nm-enter /usr/lib/nm/sliver_shell | tr '\n' ,)" = "440 root,755 root,755 root," ]
fails /usr/lib/nm/nm-enter

say "who calls is known, on the socket and on localhost"
useradd alice
useradd --groups nm-admin admin
by alice nmctl --json whoami | grep '"name": "alice"'
fails by alice nmctl vlan register 200
by admin nmctl vlan register 100-110
[ "$(by_tcp alice)" = alice ]
echo '<methodCall><methodName>WhoAmI</methodName></methodCall>' | by alice /usr/lib/nm/forward_api_calls | grep '<string>alice</string>'
man --where nmd nmctl nm.toml forward_api_calls

say "a delegate calls by Debian's own sshd, with its default settings; the shell is not in /etc/shells"
cp /usr/share/openssh/sshd_config /etc/ssh/sshd_config
rm -rf /etc/ssh/sshd_config.d
ssh-keygen -A
systemctl start systemd-user-sessions ssh # before the first, only root may log in
ssh-keyscan localhost >/etc/ssh/ssh_known_hosts 2>/dev/null
fails grep forward_api_calls /etc/shells
nmctl delegate create web spy --key-file /run/people/web.pub --wait
getent passwd web | grep ':nm delegate web:/var/lib/nm-homes/web:/usr/lib/nm/forward_api_calls$'
[ "$(stat -c '%a %U %G' /var/lib/nm-homes/web /etc/passwd /etc/shadow | tr '\n' ,)" = "750 root web,644 root root,640 root shadow," ]
answers web web
refused other web
nmctl --host ssh://web@localhost --identity /run/people/web --json whoami | grep '"name": "web"'
grep -- -UG /var/lib/sss/told
journalctl --no-pager | fails grep "Failed to flush"

say "a group is deployed: switch, libvirt, machine list"
nmctl switch register sw0 --driver simulated file=/var/lib/nm/sw0.json ports='["p0", "p1", "t0"]'
nmctl port register sw0 p0 p1 t0
nmctl host register h0 --uri test:///default --network kind=linux,device=eth9
nmctl trunk register t0 --end switch=sw0,port=t0 --end host=h0,device=eth9
nmctl node register n0 --nic boot,52:54:00:00:00:01,sw0,p0
nmctl headnode register head --host h0 --domain head
nmctl switch reset sw0 --all --wait
nmctl group create alpha --nodes n0 --headnode head --key-file /run/people/alpha.pub
nmctl deploy alpha --wait
ls /run/nm/headnodes/alpha

say "a key lets in, and lets in no more, from the moment its job is over"
nmctl delegate keys web /run/people/other.pub --wait
answers other web
refused web web
nmctl delegate keys web /run/people/web.pub --wait
answers web web
refused other web

say "its people come in by its own account; what somebody did to that is put right with its keys"
answers alpha alpha
usermod --shell /bin/sh alpha
nmctl group keys alpha /run/people/other.pub
until_true answers other alpha
refused alpha alpha
getent passwd alpha | grep ':/usr/lib/nm/forward_api_calls$'

nmctl health

say "kill -9, and it comes back with its data"
old=$(main_pid)
kill -9 "$old"
until_true another "$old"
nmctl group show alpha | grep deployed
ls /run/nm/headnodes/alpha
answers web web

say "a daemon that hangs is killed by the watchdog"
mkdir -p /etc/systemd/system/nmd.service.d
printf '[Service]\nWatchdogSec=3\nRestartSec=100ms\n' >/etc/systemd/system/nmd.service.d/soon.conf
systemctl daemon-reload
systemctl restart nmd
old=$(main_pid)
kill -STOP "$old"
until_true another "$old"
nmctl group list --json | grep alpha
rm -r /etc/systemd/system/nmd.service.d
systemctl daemon-reload

say "reload: good, then bad; a start with a bad configuration is not tried again"
old=$(main_pid)
printf '[daemon]\nlog_level = "debug"\n' >/etc/nm/nm.toml
systemctl reload nmd
printf '[daemon]\nlog_level = "loud"\n' >/etc/nm/nm.toml
systemctl reload nmd
[ "$(main_pid)" = "$old" ]
nmctl whoami
fails systemctl restart nmd
[ "$(systemctl show --property=SubState,NRestarts --value nmd | tr '\n' ,)" = "0,failed," ]
printf '# ours\n[metrics]\nport = 9812\n' >/etc/nm/nm.toml
systemctl reset-failed nmd
systemctl start nmd
by alice python3 -c 'from urllib.request import urlopen; print(urlopen("http://127.0.0.1:9812/metrics").read().decode())' |
    grep '^nm_groups 1.0'

say "what it may write, and what it may not"
inside() { nsenter --target "$(main_pid)" --mount "$@"; }
inside sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
fails inside sh -c 'echo x >/etc/nm/written' 2>&1
fails inside sh -c 'echo x >/tmp/written' 2>&1
mkdir -p /var/backups
nmctl backup /var/backups/nm.backup
fails nmctl backup /tmp/nm.backup
fails nmctl backup /root/nm.backup
[ "$(grep CapBnd "/proc/$(main_pid)/status" | cut -f2)" = 0000000000001421 ]

say "upgrade: the configuration and the data stay, the daemon is the new one"
old=$(main_pid)
dpkg --install --force-confold new.deb
until_true another "$old"
nmctl --quiet --json version | grep '"nm": "0.1.1"'
nmctl group show alpha | grep deployed
[ "$(head -1 /etc/nm/nm.toml)" = "# ours" ]
answers web web

say "a delegate that is destroyed has no connection any more, and no account"
nmctl delegate create guest --key-file /run/people/other.pub --wait
ssh -F none -i /run/people/other -o IdentitiesOnly=yes -o BatchMode=yes -N guest@localhost &
held=$!
until_true pgrep -u guest -x sshd
nmctl delegate destroy guest --wait
until_true gone "$held"
fails getent passwd guest
fails test -e /var/lib/nm-homes/guest
refused other guest

say "a useradd that is at work when nmd is stopped comes to its end"
cat >/usr/local/sbin/useradd <<'END'
#!/bin/sh
touch /run/nm/at-work
until [ -e /run/nm/go-on ]; do sleep 0.1; done
exec /usr/sbin/useradd "$@"
END
chmod 755 /usr/local/sbin/useradd
nmctl delegate create late
until_true test -e /run/nm/at-work
systemctl stop --no-block nmd
stopping() { systemctl show --property=SubState nmd | grep stop-sigterm; }
until_true stopping
touch /run/nm/go-on
systemctl stop nmd
getent passwd late
rm /usr/local/sbin/useradd
systemctl start nmd

say "remove: the database, the configuration and the accounts stay, but nobody comes in"
dpkg --remove nm
fails systemctl is-active nmd
fails pgrep nmd
ls /var/lib/nm/database.pickle /etc/nm/nm.toml
fails test -e /usr/lib/nm
fails test -e /usr/sbin/nmd
getent passwd web alpha
refused web web

say "and are there when it is installed again"
dpkg --install new.deb
nmctl group show alpha | grep deployed
[ "$(head -1 /etc/nm/nm.toml)" = "# ours" ]
answers web web

say "purge: nothing stays, also not who is connected; what nm did not make does"
useradd --comment "nm delegate like" --home /var/lib/nm-homes/like --shell /bin/sh like
useradd --comment "like web" --home /var/lib/nm-homes/unlike --shell /usr/lib/nm/forward_api_calls unlike
useradd --comment "nm group afar" --home /home/afar --shell /usr/lib/nm/forward_api_calls afar
ssh -F none -i /run/people/web -o IdentitiesOnly=yes -o BatchMode=yes -N web@localhost &
held=$!
until_true pgrep -u web -x sshd
dpkg --purge nm
until_true gone "$held"
fails getent passwd web
fails getent passwd alpha
fails getent group web
getent passwd alice like unlike afar
for path in /var/lib/nm /var/lib/nm-homes /var/log/nm /run/nm /etc/nm /usr/lib/nm /lib/systemd/system/nmd.service /usr/bin/nmctl; do
    fails test -e "$path"
done
[ -z "$(find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name '*nmd*')" ]

say "systemd found nothing wrong"
journalctl --no-pager | grep -E 'nmd\.service: .*(Unknown|Failed to parse|ignoring)' && exit 1
echo done
