//! QEMU: started, watched, and ended with its handle.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::Failure;
use crate::peer::Peer;

/// How long the firmware may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running QEMU.
pub struct Machine {
    qemu: Child,
    log: Receiver<String>,
    /// The first line of the firmware's log.
    pub ready: String,
}

/// Finds out whether QEMU is there.
pub fn find(qemu: &OsStr) -> Result<(), Failure> {
    let found = Command::new(qemu)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::Missing(format!(
            "cannot run {}: install QEMU for 32-bit Arm (Debian: qemu-system-arm)",
            qemu.to_string_lossy()
        ))),
    }
}

/// Starts the firmware and waits until it is ready.
pub fn start(qemu: &OsStr, image: &Path) -> Result<(Machine, Peer), Failure> {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let (socket, here, there) = bind()
        .and_then(|socket| Ok((socket.local_addr()?, socket)))
        // The second socket only finds a free port, which is QEMU's a moment later.
        .and_then(|(here, socket)| Ok((socket, here, bind()?.local_addr()?)))
        .map_err(|e| format!("no UDP socket on loopback: {e}"))?;

    let mut child = spawn(qemu, image, here, there)?;
    let (to_here, log) = channel();
    let output = child.stdout.take().ok_or_else(|| "no pipe".to_owned())?;
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if to_here.send(line).is_err() {
                break;
            }
        }
    });
    let mut machine = Machine {
        qemu: child,
        log,
        ready: String::new(),
    };
    let first = machine.log.recv_timeout(PATIENCE);
    machine.ready = first.map_err(|_| "the firmware did not start".to_owned())?;
    if !machine.ready.starts_with("ready") {
        let message = [machine.ready.clone(), machine.stop().join(" ")].join(" ");
        return Err(format!("the firmware says: {message}").into());
    }
    let peer = Peer::new(socket, there).map_err(|e| format!("no connection to QEMU: {e}"))?;
    Ok((machine, peer))
}

fn spawn(
    qemu: &OsStr,
    image: &Path,
    here: SocketAddr,
    there: SocketAddr,
) -> Result<Child, Failure> {
    Command::new(qemu)
        .args(["-machine", "mps2-an385", "-kernel"])
        .arg(image)
        .args(["-display", "none", "-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", "enable=on,target=native"])
        .args([
            "-nic",
            &format!("socket,model=lan9118,udp={here},localaddr={there}"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start QEMU: {e}").into())
}

impl Machine {
    /// Ends QEMU and returns the rest of the log.
    pub fn stop(mut self) -> Vec<String> {
        // A line that the firmware is writing becomes complete.
        std::thread::sleep(Duration::from_millis(100));
        self.end();
        self.log.iter().collect()
    }

    fn end(&mut self) {
        // It fails only if QEMU has ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}
