#!/bin/sh
# zpool, zfs, zdb, wipefs and udevadm in one, for disks and pools that are files in the folder $WORLD:
#
#   pools/GUID/name,host,state,disks,datasets,version   a pool; state is active or exported
#   pools/GUID/key,keylocation                          if it is encrypted
#   signs/DISK                                          what wipefs finds on a disk: "KIND LABEL"
#   imported, read-only, opened                         which pool is imported, and how
#   busy                                                while it exists the pool cannot be exported
#   log, count                                          what was called, and how often
#   cut                                                 "before N", "after N": power fails at the Nth call; "amid N": in it, if it makes a pool
set -eu
cd "$WORLD"
program=${0##*/}
me=7

count=$(($(cat count 2>/dev/null || echo 0) + 1))
echo $count >count
echo "$program $*" >>log
read -r when number <cut || { when=never number=0; }
power_fails() {
    if [ "$when" = "$1" ] && [ "$number" = "$count" ]; then
        kill -9 $PPID
        exit 137
    fi
}
power_fails before
trap 'status=$?; power_fails after; exit $status' EXIT
refuse() {
    echo "$*" >&2
    exit 1
}
disk_of() { basename "$(readlink "$WORLD/root$1" || echo "$1")"; }
imported() { cat imported 2>/dev/null || true; }
here=pools/$(imported)
changes_pool() { [ ! -e read-only ] || refuse "cannot: pool is read-only"; }
is_locked() { [ -e "$here/key" ] && [ ! -e opened ]; }

list_importable() {
    found=
    for pool in pools/*; do
        [ -e "$pool/name" ] && [ "${pool#pools/}" != "$(imported)" ] || continue
        found=1
        name=$(cat "$pool/name")
        printf '  pool: %s\n    id: %s\n state: ONLINE\n' "$name" "${pool#pools/}"
        [ "$(cat "$pool/state")" = exported ] || [ "$(cat "$pool/host")" = $me ] ||
            echo 'status: The pool was last accessed by another system.'
        printf 'action: The pool can be imported using its name or numeric identifier.\nconfig:\n\n'
        printf '\t%s  ONLINE\n' "$name"
        for disk in $(cat "$pool/disks"); do printf '\t  %s  ONLINE\n' "$disk"; done
        echo
    done
    [ "$found" ] || refuse 'no pools available to import'
}

import() {
    flags=$1 guid=$2
    pool=pools/$guid
    [ -e "$pool/name" ] || refuse "cannot import '$guid': no such pool available"
    case $flags in
    *" -f "*) ;;
    *) [ "$(cat "$pool/state")" = exported ] || [ "$(cat "$pool/host")" = $me ] ||
        refuse "cannot import '$guid': pool was previously in use from another system." ;;
    esac
    case $flags in
    *readonly=on*) : >read-only ;;
    *)
        [ ! -e unimportable ] || refuse "cannot import '$guid': I/O error"
        echo $me >"$pool/host"
        echo active >"$pool/state"
        ;;
    esac
    echo "$guid" >imported
}

create() {
    guid=$(($(cat guids 2>/dev/null || echo 100) + 1))
    echo $guid >guids
    pool=pools/$guid
    mkdir -p "$pool"
    for argument; do
        case $argument in
        keylocation=file://*)
            cat "${argument#keylocation=file://}" >"$pool/key"
            echo "${argument#keylocation=}" >"$pool/keylocation"
            ;;
        /dev/disk/by-id/*)
            [ ! -e "signs/$(disk_of "$argument")" ] || refuse "$argument is in use"
            echo "zfs_member understudy" >"signs/$(disk_of "$argument")"
            basename "$argument" >>"$pool/disks"
            power_fails amid
            ;;
        esac
    done
    echo $me >"$pool/host"
    echo active >"$pool/state"
    echo 1 >"$pool/version"
    echo understudy >"$pool/datasets"
    echo understudy >"$pool/name"
    echo $guid >imported
    [ ! -e "$pool/key" ] || : >opened
}

case "$program $*" in
"udevadm "*) ;;
"zpool list -H -p -o name,guid,health,readonly")
    [ -z "$(imported)" ] ||
        printf '%s\t%s\t%s\t%s\n' "$(cat $here/name)" "$(imported)" "$(cat health 2>/dev/null || echo ONLINE)" \
            "$([ -e read-only ] && echo on || echo off)"
    ;;
"zpool import -d /dev/disk/by-id") list_importable ;;
"zpool import "*)
    for guid; do :; done
    import " $* " "$guid"
    ;;
"zpool export understudy")
    [ ! -e busy ] || refuse "cannot export 'understudy': pool is busy"
    [ -e read-only ] || echo exported >"$here/state"
    rm -f imported read-only opened
    ;;
"zpool status -j -P understudy")
    printf '{"vdevs":{'
    comma=
    for disk in $(cat "$here/disks"); do
        printf '%s"%s":{"vdev_type":"disk","path":"/dev/disk/by-id/%s"}' "$comma" "$disk" "$disk"
        comma=,
    done
    printf '}}'
    ;;
"zpool create "*) create "$@" ;;
"zpool labelclear -f /dev/"*)
    grep -q '^zfs_member' "signs/${3#/dev/}" 2>/dev/null || refuse "failed to read label"
    # What was a pool on this disk is none any more.
    for pool in pools/*; do
        for disk in $(cat "$pool/disks" 2>/dev/null); do
            [ "$(disk_of "/dev/disk/by-id/$disk")" != "${3#/dev/}" ] || rm -f "$pool/name"
        done
    done
    rm -f "signs/${3#/dev/}"
    ;;
"wipefs --json --no-act /dev/"*)
    if read -r kind label 2>/dev/null <"signs/${3#/dev/}"; then
        printf '{"signatures":[{"type":"%s","label":"%s"}]}' "$kind" "$label"
    fi
    ;;
"wipefs --all --force /dev/"*) rm -f "signs/${3#/dev/}" ;;
"zdb -l /dev/"*)
    for pool in pools/*; do
        [ -e "$pool/name" ] || continue
        for disk in $(cat "$pool/disks"); do
            { [ "$2" != "/dev/disk/by-id/$disk" ] && [ "$2" != "/dev/$(disk_of "/dev/disk/by-id/$disk")" ]; } || printf "LABEL 0\n    name: '%s'\n    txg: 4\n    pool_guid: %s\n    \
hostid: %s\n    hostname: 'other'\n" "$(cat "$pool/name")" "${pool#pools/}" "$(cat "$pool/host")"
        done
    done | grep . || refuse "failed to unpack label"
    ;;
"zfs list -H -o name -r -d 2 understudy") cat "$here/datasets" ;;
"zfs list -H -o name "*)
    grep -qx "$5" "$here/datasets" || refuse "cannot open '$5': dataset does not exist"
    ;;
"zfs list -j -p -o name,encryption,"*)
    encryption=off root=- format=- status=- location=none
    if [ -e "$here/key" ]; then
        encryption=aes-256-gcm root=understudy format=passphrase location=$(cat "$here/keylocation")
        status=available
        ! is_locked || status=unavailable
    fi
    printf '{"datasets":{"understudy":{"name":"understudy","properties":{"encryption":{"value":"%s"},"encryptionroot":{"value":"%s"},
        "keyformat":{"value":"%s"},"keystatus":{"value":"%s"},"keylocation":{"value":"%s"},
        "org.understudy:version":{"value":"%s"}}}}}' $encryption $root $format $status "$location" "$(cat "$here/version")"
    ;;
"zfs list -j -p -o name,used,available "*)
    room='"properties":{"used":{"value":"1"},"available":{"value":"99"}}'
    printf '{"datasets":{"understudy":{"name":"understudy",%s},"understudy/understudy":{"name":"understudy/understudy",%s}}}' \
        "$room" "$room"
    ;;
"zfs list -j "*) ;;
"zfs load-key -L file://"*)
    cmp -s "${3#file://}" "$here/key" || refuse "Key load error: Incorrect key provided for 'understudy'."
    [ "$4" = -n ] || : >opened
    ;;
"zfs set keylocation=prompt understudy")
    changes_pool
    echo prompt >"$here/keylocation"
    ;;
"zfs create "*)
    changes_pool
    ! is_locked || refuse "cannot create: key not loaded"
    for name; do :; done
    ! grep -qx "$name" "$here/datasets" || refuse "cannot create '$name': dataset already exists"
    echo "$name" >>"$here/datasets"
    ;;
*) refuse "what is: $program $*" ;;
esac
