#!/bin/sh
# After a removal. The history and uploads stay: only their owner knows whether they are wanted.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
{{- if eq .Format "deb"}}
[ "$1" = purge ] || exit 0
{{- else if eq .Format "rpm"}}
[ "$1" = 0 ] || exit 0
{{- end}}
for room in /var/lib/chat /var/lib/chat@*; do
  if [ -e "$room" ]; then # a link to the folder in private, if systemd made it
    echo "chat: kept the history and uploads in $room; delete them with: rm -rf $room /var/lib/private/${room##*/}" >&2
  fi
done
