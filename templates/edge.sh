# shellcheck shell=bash
# The edge's start: `bash -c THIS ID BYTES`. nginx under an id of its own, and beside it a look at the log in memory each
# second: what nginx has answered is written into the log, and from BYTES on the file is begun anew.
# `lines` is what nginx writes, `read` what the reader follows. It is moved on when the old file is whole, never before.
read -r random </proc/sys/kernel/random/uuid
edge="$0-${random%%-*}"
echo "instance ${random%%-*};" >/tmp/instance.map
say() { echo "{\"edge\":\"$edge\",\"at\":$EPOCHSECONDS,\"served\":$1,\"before\":$2}" >>lines; }
cd /var/log/edge && say 0 0 && { [[ lines -ef read ]] || ln -f lines read; }

watch() {
  local before=0 said number='([0-9]+)'
  exec 9<> <(:) # nobody writes there: to wait for it is to sleep, without a process
  while :; do
    read -rt 0.6 -u 9
    { printf 'GET / HTTP/1.0\r\n\r\n' >&3 && mapfile -t said <&3; } 3<>/dev/tcp/127.0.0.1/8081 || continue
    [[ ${said[*]} =~ \ $number\ $number\ $number\ .*Reading:\ $number\ Writing:\ $number ]] || continue
    read -rt 0.4 -u 9 # nginx keeps a line for 0.1 s
    # The look itself is being written while it is asked, and has its line by now.
    say $((BASH_REMATCH[3] - BASH_REMATCH[4] - BASH_REMATCH[5] + 1)) "$before"
    [[ $(stat -c %s lines) -lt $1 ]] && continue
    rm lines && kill -USR1 1 && sleep 1 # the workers finish the old file one by one
    before=$((before + $(grep -cF "\"edge\":\"$edge\"" read) - $(grep -cF "{\"edge\":\"$edge\",\"at\"" read)))
    ln lines next && mv next read
  done
}
watch "$1" 2>&1 &
exec nginx -c /etc/nginx/edge/nginx.conf -g 'daemon off;'
