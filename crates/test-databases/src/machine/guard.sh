# Ends the server of this folder, and removes the folder, when nobody holds the other end of the input
# any more: the process there has ended, in whatever way, or needs the server no longer. $1 is the file
# whose first line is the server's process, $2 the signal that ends it at once.
cat >/dev/null
pid=$(head -n 1 "$1") && kill "-$2" "$pid" && kill -CONT "$pid"
# One that has ended stays until the system asks for its result, which may take seconds.
while kill -0 "$pid" && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status"; do
    sleep 0.02
done
rm -rf "$PWD"
