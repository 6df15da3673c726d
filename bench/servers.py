"""The servers of a benchmark: the backends, and each proxy in front of the same two of them.

Every proxy gets two workers or threads, keep-alive to the backends, X-Forwarded-For, round robin,
and no access log.
"""

import os
import time

from machine import Process, free_port, get, program, wait_for_answer

WORKERS = 2
# Connections that a proxy must be able to hold: the idle ones of the benchmark, and some.
CONNECTIONS_MAX = 16384
SMALL = "/1k"
BIG = "/1m"


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


class Backends:
    """One nginx with two workers that answers on two ports: 1 KiB from memory, 1 MiB from a file."""

    def __init__(self, folder, cores=None):
        self.folder = os.path.join(folder, "backends")
        files = os.path.join(self.folder, "files")
        os.makedirs(files)
        os.chmod(folder, 0o755)
        with open(files + BIG, "wb") as file:
            file.write(bytes(range(256)) * 4096)
        self.ports = [free_port(), free_port()]
        config = f"""
daemon off;
worker_processes {WORKERS};
worker_rlimit_nofile {CONNECTIONS_MAX + 1024};
pid {self.folder}/pid;
error_log {self.folder}/error.log;
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  {temporary(self.folder)}
  server {{
    listen 127.0.0.1:{self.ports[0]} reuseport backlog=4096;
    listen 127.0.0.1:{self.ports[1]} reuseport backlog=4096;
    root {files};
    location = {SMALL} {{ return 200 "{"x" * 1024}"; }}
  }}
}}
"""
        path = write(os.path.join(self.folder, "nginx.conf"), config)
        self.process = Process([program("nginx"), "-c", path], self.folder, cores=cores)
        for port in self.ports:
            wait_for_answer(self.process, port, SMALL)
            wait_for_answer(self.process, port, BIG)

    def stop(self):
        self.process.stop()


def temporary(folder):
    """nginx's folders for bodies, away from the system's."""
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{name}_temp_path {folder}/{name};" for name in names)


class Proxy:
    """A proxy that can be started, timed until its first proxied answer, and stopped."""

    name = ""

    def __init__(self, folder, backends):
        self.folder = os.path.join(folder, self.name)
        os.makedirs(self.folder, exist_ok=True)
        self.backends = backends
        self.port = None
        self.process = None

    def start(self):
        """Starts it; returns seconds until the first answer that came through it."""
        self.port = free_port()
        arguments = self.arguments()
        began = time.monotonic()
        self.process = Process(arguments, self.folder, self.environment())
        wait_for_answer(self.process, self.port, SMALL)
        return time.monotonic() - began

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def answers(self):
        return get(self.port, SMALL) == 200

    def environment(self):
        return {}

    def arguments(self):
        raise NotImplementedError


class Mainspring(Proxy):
    name = "mainspring"

    def __init__(self, folder, backends, binary):
        super().__init__(folder, backends)
        self.binary = os.path.abspath(binary)

    def arguments(self):
        if os.path.basename(self.binary) == "proxy":  # crates/edge/examples: the data plane alone
            backends = [f"127.0.0.1:{port}" for port in self.backends.ports]
            return [self.binary, f"127.0.0.1:{self.port}", str(WORKERS), *backends]
        at = ", ".join(f'"127.0.0.1:{port}"' for port in self.backends.ports)
        config = f"""
[node]
data = "data"
cores = {WORKERS}

[listen]
http = "127.0.0.1:{self.port}"
console = "127.0.0.1:0"

[limits]
connections-per-ip = {CONNECTIONS_MAX}
idle-timeout = "600s"

[log]
access = false

[service.backend]
at = [{at}]

[[route]]
path = "/**"
to = "backend"
"""
        path = write(os.path.join(self.folder, "mainspring.toml"), config)
        return [self.binary, "up", "-c", path]


class Nginx(Proxy):
    name = "nginx"

    def arguments(self):
        servers = " ".join(f"server 127.0.0.1:{port};" for port in self.backends.ports)
        config = f"""
daemon off;
worker_processes {WORKERS};
worker_rlimit_nofile {CONNECTIONS_MAX + 1024};
pid {self.folder}/pid;
error_log {self.folder}/error.log;
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  {temporary(self.folder)}
  upstream backend {{
    {servers}
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  server {{
    listen 127.0.0.1:{self.port} reuseport backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""
        path = write(os.path.join(self.folder, "nginx.conf"), config)
        return [program("nginx"), "-c", path]


class Haproxy(Proxy):
    name = "haproxy"

    def arguments(self):
        servers = "\n".join(f"  server s{at} 127.0.0.1:{port}" for at, port in enumerate(self.backends.ports))
        config = f"""
global
  nbthread {WORKERS}
  maxconn {CONNECTIONS_MAX}
  no strict-limits  # it counts two files a connection, which idle ones do not need

defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  option forwardfor
  http-reuse safe

frontend door
  bind 127.0.0.1:{self.port} backlog 4096
  default_backend backend

backend backend
  balance roundrobin
{servers}
"""
        path = write(os.path.join(self.folder, "haproxy.cfg"), config)
        return [program("haproxy"), "-db", "-f", path]
