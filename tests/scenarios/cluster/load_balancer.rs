//! A HAProxy before the cluster's WebSocket proxies, with health checks and a socket for its administrator.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::waiting::{eventually, unique};

pub(crate) struct LoadBalancer {
    /// Its address as a `ws://` URL.
    pub(crate) url: String,
    folder: PathBuf,
    process: Child,
}

impl LoadBalancer {
    /// Starts one that distributes connections as `balance` says, and waits until it found all proxies healthy.
    pub(crate) fn start(balance: &str, proxies: &[String]) -> LoadBalancer {
        let folder = std::env::temp_dir().join(unique("load-balancer"));
        fs::create_dir(&folder).expect("a folder for its files");
        let port = free_port();
        let file = folder.join("haproxy.cfg");
        fs::write(&file, configuration(balance, port, proxies, &folder)).expect("its configuration");
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        let started = Command::new("haproxy").env("PATH", path).args(["-q", "-db", "-f"]).arg(&file).spawn();
        let process = started.expect("haproxy is installed: apt install haproxy");
        let balancer = LoadBalancer { url: format!("ws://127.0.0.1:{port}"), folder, process };
        eventually("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        for proxy in 0..proxies.len() {
            eventually("the proxy is healthy", || balancer.is_up(proxy));
        }
        balancer
    }

    /// Has it send no new connections to a proxy.
    pub(crate) fn drain(&self, proxy: usize) {
        self.command(&format!("set server proxies/proxy-{proxy} state drain"));
    }

    pub(crate) fn make_ready(&self, proxy: usize) {
        self.command(&format!("set server proxies/proxy-{proxy} state ready"));
    }

    /// How many connections a proxy has.
    pub(crate) fn connections(&self, proxy: usize) -> u64 {
        self.statistic(proxy, "scur").parse().expect("a number")
    }

    /// Whether the latest health checks of a proxy passed.
    pub(crate) fn is_up(&self, proxy: usize) -> bool {
        self.statistic(proxy, "status").starts_with("UP")
    }

    fn statistic(&self, proxy: usize, name: &str) -> String {
        let table = self.command("show stat");
        let mut lines = table.trim_start_matches("# ").lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().expect("a line of names");
        let column = names.iter().position(|column| *column == name).expect("the column is there");
        let server = format!("proxy-{proxy}");
        let line = lines.find(|line| line.get(1) == Some(&server.as_str())).expect("the server is there");
        line[column].to_owned()
    }

    /// Gives the administrator's socket a command. Returns its answer.
    fn command(&self, text: &str) -> String {
        let mut socket = UnixStream::connect(self.folder.join("admin.sock")).expect("its socket");
        writeln!(socket, "{text}").expect("it takes the command");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

impl Drop for LoadBalancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(balance: &str, port: u16, proxies: &[String], folder: &std::path::Path) -> String {
    let server = |(index, url): (usize, &String)| {
        format!("    server proxy-{index} {} check inter 500ms fall 2 rise 2\n", url.trim_start_matches("ws://"))
    };
    let servers: String = proxies.iter().enumerate().map(server).collect();
    format!(
        "global
    stats socket {folder}/admin.sock level admin
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout tunnel 120s
frontend pulsar
    bind 127.0.0.1:{port}
    default_backend proxies
backend proxies
    balance {balance}
    option httpchk GET /status.html
{servers}",
        folder = folder.display()
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
