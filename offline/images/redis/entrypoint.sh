#!/bin/sh
# Is Redis. With /data/tls.pem and /data/tls.key it speaks TLS alone. With /data/tokens, the SHA-256 of a token
# a line, it serves only who presents one of these. Settings come by standard input: no token is in an argument,
# and without a configuration file nothing can be rewritten. Every write is in the append-only file.
set -eu
access=
if [ -e /data/tls.pem ]; then
    access="port 0
tls-port 6379
tls-cert-file /data/tls.pem
tls-key-file /data/tls.key
tls-auth-clients no"
fi
if [ -e /data/tokens ]; then
    access="$access
user default on ~* &* +@all $(sed 's/^/#/' /data/tokens | tr '\n' ' ')"
fi
exec redis-server - <<END
bind 0.0.0.0
protected-mode no
dir /data
save ""
appendonly yes
maxmemory-policy noeviction
$access
END
