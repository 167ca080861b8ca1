# shellcheck shell=bash
# The reader's start: `bash reader.sh ADDRESS`, where its metrics are. mtail begins at the end of a file that it finds, and
# at the beginning of one that takes another's place: so the log takes the place of an empty file.
touch /tmp/empty && ln -s empty /tmp/log
{
  until [[ -e /var/log/edge/read ]] && (: <"/dev/tcp/$1/3903"); do sleep 0.1; done
  ln -s /var/log/edge/read /tmp/next && mv -T /tmp/next /tmp/log
} 2>/dev/null &
exec mtail -progs /etc/mtail/edge.mtail -logs /tmp/log -address "$1" -logtostderr
