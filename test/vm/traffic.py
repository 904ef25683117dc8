"""The traffic of the VM's checks. Python, because Node has no SCTP.

traffic.py serve PROTO/PORT…            until killed; prints "ready". Answers each message with one line:
                                        host name, the peer it saw, and the message
traffic.py ask PROTO HOST PORT [TEXT [SECONDS]]     prints the answer; with SECONDS asks again, on the
                                        same connection, after them
traffic.py hold PROTO HOST PORT FILE    until SIGTERM: one connection kept and used every 50 ms, and a new
                                        one each time; then writes "N asked, N failed" to FILE
traffic.py activate                     prints what the plugin socket answers to Plugin.Activate

An answer may take 5 seconds, times VM_PATIENCE, and 20 at most: what is never to be answered is waited for, too.
"""
import os
import signal
import socket
import sys
import threading
import time

SCTP = 132
PATIENCE = min(20, 5 * int(os.environ.get("VM_PATIENCE", "1")))


def make(proto):
    if proto == "udp":
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP if proto == "sctp" else 0)


def answer(peer, data):
    return f"{socket.gethostname()} saw {peer[0]}: {len(data)} {data[:40].decode()}\n".encode()


def talk(connection, peer):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(answer(peer, data))


def serve(item):
    proto, port = item.split("/")
    server = make(proto)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", int(port)))
    if proto == "udp":
        return lambda: udp_loop(server)
    server.listen(64)
    return lambda: accept_loop(server)


def udp_loop(server):
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(answer(peer, data), peer)


def accept_loop(server):
    while True:
        connection, peer = server.accept()
        threading.Thread(target=talk, args=(connection, peer), daemon=True).start()


def connect(proto, host, port):
    client = make(proto)
    client.settimeout(PATIENCE)
    client.connect((host, int(port)))
    return client


def question(client, text=b"hello"):
    client.sendall(text)
    reply = client.recv(65536)
    if not reply:
        raise OSError("closed without an answer")
    return reply.decode()


def ask(proto, host, port, text="hello", seconds=None):
    with connect(proto, host, port) as client:
        print(question(client, text.encode()), end="")
        if seconds is not None:
            time.sleep(float(seconds))
            print(question(client, text.encode()), end="")


def hold(proto, host, port, path):
    # No threading.Event: its set() in a handler waits for ever if the signal comes inside of wait().
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    asked = failed = 0
    why = ""
    kept = connect(proto, host, port)
    while not stopped:
        for new in (False, True):
            asked += 1
            try:
                if new:
                    with connect(proto, host, port) as client:
                        question(client)
                else:
                    question(kept)
            except OSError as error:
                failed += 1
                why = f" (last: {'new' if new else 'kept'} connection, {error})"
        time.sleep(0.05)
    with open(path, "w") as file:
        print(f"{asked} asked, {failed} failed{why}", file=file)


def activate():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(2 * PATIENCE)
    client.connect("/run/docker/plugins/tsbridge.sock")
    client.sendall(b"POST /Plugin.Activate HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n")
    print(client.recv(65536).decode().splitlines()[-1])


def main(command, *args):
    if command == "serve":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        loops = [serve(item) for item in args]
        print("ready", flush=True)
        for loop in loops[1:]:
            threading.Thread(target=loop, daemon=True).start()
        loops[0]()
    else:
        {"ask": ask, "hold": hold, "activate": activate}[command](*args)


try:
    main(*sys.argv[1:])
except OSError as error:
    sys.exit(f"{' '.join(sys.argv[1:])}: {error}")
