#!/usr/bin/env bash
# Healthy: the node answers, is not catching up, and has peers if its chain should have some. The node itself
# decides; it answers with another status than 200 if one of these is not so.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/${M2M_RPC_PORT:-9944}"
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
