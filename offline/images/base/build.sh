#!/bin/sh
# Writes a minimal Debian 13 as a compressed tar archive, without what identifies this machine.
# usage: build.sh ARCHIVE
set -eu
umask 022
archive=$1
root=$archive.root

# In a mount namespace of its own, so that a killed build leaves no /proc mounted below what is removed.
if [ "${NAMESPACE:-}" != own ]; then
    NAMESPACE=own exec unshare --mount --propagation private sh "$0" "$archive"
fi
rm -rf "$root"
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"
debootstrap --force-check-gpg --variant=minbase trixie "$root"

cat >"$root/etc/dpkg/dpkg.cfg.d/small" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
END
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cat >"$root/etc/apt/apt.conf.d/small" <<'END'
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
END
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/usr/share/info/* \
    "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/cache/debconf/*-old \
    "$root"/etc/resolv.conf "$root"/etc/hostname "$root"/debootstrap
find "$root/var/log" -type f -delete
: >"$root/etc/machine-id"

tar --numeric-owner --one-file-system --sort=name -C "$root" -cf - . | gzip -1 >"$archive.new"
sync "$archive.new" # else the name may outlive a killed machine, and the content not
mv "$archive.new" "$archive"
