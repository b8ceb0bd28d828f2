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
if [ -e /var/lib/chat ]; then
  echo 'chat: kept the history and uploads in /var/lib/chat; delete them with: rm -r /var/lib/chat/' >&2
fi
