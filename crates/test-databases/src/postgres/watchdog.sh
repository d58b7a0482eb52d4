# Ends the server of this folder when no process has used it for a minute.
exec 9< use.lock
while sleep 5; do
    # Between two test processes of a run nobody holds the lock.
    test -n "$(find use.lock -mmin -1)" && continue
    flock --exclusive --nonblock 9 && break
done

# Whoever comes now waits for the lock, and finds no server.
rm -f server
pid=$(head -n 1 data/postmaster.pid) && kill -QUIT "$pid"
while kill -0 "$pid"; do
    sleep 0.1
done
rm -rf data
