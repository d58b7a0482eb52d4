#!/usr/bin/env bash
# Counts all instructions of a request, the kernel's included, where no counter of the processor can
# be read: in a machine that is emulated one instruction after the other, and whose clock goes one
# nanosecond forth with each. A microsecond of CPU time in there is a thousand instructions.
# bench/run.sh calls this, and has built what is measured.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root="$work/root"

# What programs are linked to; nothing for those that hold all they need.
libraries() {
    { ldd "$@" 2>/dev/null || true; } | { grep -o '/[^ :]* (' || true; } | cut -d' ' -f1 |
        sort -u | xargs -r -I{} cp --parents -nL {} "$root"
}

# Programs of this machine, at their own paths.
take() {
    cp --parents -L "$@" "$root"
    libraries "$@"
}

# A package of the release's backports; nothing is installed, and apt's own lists stay as they are.
unpack_backport() {
    local place="$work/backports" release mirror
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $release" "Component: main" | head -n 1)
    mkdir -p "$place"/{lists,archives}/partial
    echo "deb $mirror $release-backports main" >"$place/sources"
    local options=(-q -o "Dir::Etc::SourceList=$place/sources" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$place/lists" -o "Dir::Cache=$place")
    apt-get "${options[@]}" update && (cd "$place" && apt-get "${options[@]}" download "$1/$release-backports") &&
        dpkg -x "$place/$1"_*.deb "$2"
}

mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,measured,usr/local/bin}
cp bench/whole/init "$root/init"
cp "$target"/release/{mainstay-bench,accounts,bare,edge,by_hand,open_users} "$root/measured"
libraries "$root"/measured/*
take "$(command -v busybox)" "$(command -v wrk)" "$(command -v chrt)"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
# A client that is woken does not take the processor away in the middle of an answer: one on another
# machine would not either.
cat >"$root/usr/local/bin/wrk" <<END
#!/bin/sh
exec chrt --batch 0 $(command -v wrk) "\$@"
END
chmod +x "$root/init" "$root/usr/local/bin/wrk"
for list in passwd group; do grep -E '^(root|postgres):' "/etc/$list" >"$root/etc/$list"; done
echo "127.0.0.1 localhost" >"$root/etc/hosts"

postgres=$(printf '%s\n' /usr/lib/postgresql/* | sort -V | tail -n 1)
take "$postgres"/bin/* "$postgres"/lib/{plpgsql,dict_snowball}.so
cp -r --parents "/usr/share/postgresql/${postgres##*/}" "$root"
cp -rL --parents /usr/share/zoneinfo/{UTC,Etc/UTC} "$root"
(cd "$root" && find . | cpio -o -H newc --quiet) >"$work/initramfs"

# Debian's kernel, as its package brings it; it is not installed.
kernels="$target/bench-kernel"
if ! compgen -G "$kernels/boot/vmlinuz-*" >/dev/null; then
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *//p' | head -n 1)
    (cd "$work" && apt-get download -q "$package")
    dpkg -x "$work/$package"_*.deb "$kernels"
fi

# QEMU has SHA instructions since 8.2. Where the distribution's is older, the one of its backports is
# unpacked beside the kernel, and shares the files of the installed one.
emulator=(qemu-system-x86_64)
version=$("${emulator[@]}" --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)
if dpkg --compare-versions "$version" lt 8.2; then
    newer="$target/bench-qemu"
    [[ -x $newer/usr/bin/qemu-system-x86_64 ]] || unpack_backport qemu-system-x86 "$newer" ||
        echo "QEMU $version has no SHA instructions: what signs in takes some 3 k more." >&2
    if [[ -x $newer/usr/bin/qemu-system-x86_64 ]]; then
        emulator=("$newer/usr/bin/qemu-system-x86_64" -L /usr/share/qemu -L /usr/share/seabios)
    fi
fi
# String instructions of which the emulator counts each byte are left out of the processor.
"${emulator[@]}" -machine q35 -accel tcg -icount shift=0,sleep=off -cpu max,-erms,-fsrm -smp 1 \
    -m 2G -nodefaults -no-user-config -display none -serial stdio -no-reboot \
    -kernel "$(printf '%s\n' "$kernels"/boot/vmlinuz-* | tail -n 1)" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet panic=-1 tsc=reliable"
