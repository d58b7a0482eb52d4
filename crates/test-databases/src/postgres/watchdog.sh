# Ends the server of this folder when no process has used it for some time: $1 times two seconds.
exec 9< use.lock
free=0
while sleep 2; do
    # Between two test processes of a run nobody holds the lock.
    if ! flock --exclusive --nonblock 9; then
        free=0
        continue
    fi
    free=$((free + 1))
    test "$free" -ge "$1" && break
    flock --unlock 9
done

# Whoever comes now waits for the lock, and finds no server.
rm -f server
pid=$(head -n 1 data/postmaster.pid) && kill -QUIT "$pid"
while kill -0 "$pid"; do
    sleep 0.1
done
rm -rf data
