//! Where the plugin listens: a socket that only this user can open, or a local port on Windows.

#[cfg(unix)]
pub(super) use unix::{Connection, Listener};

#[cfg(not(unix))]
pub(super) use tcp::{Connection, Listener};

#[cfg(unix)]
mod unix {
    use std::fs::Permissions;
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;
    use tokio::net::{UnixListener, UnixStream};

    pub(in crate::wire) type Connection = UnixStream;

    /// The longest path that every Unix takes, with its final zero.
    const LONGEST_PATH: usize = 103;

    /// A socket in a directory of its own, which goes away with it.
    pub(in crate::wire) struct Listener {
        socket: UnixListener,
        path: PathBuf,
        _directory: TempDir,
    }

    impl Listener {
        /// Opens a socket in the client's directory, or where temporary files are.
        pub(in crate::wire) fn open(directory: Option<&str>, _: Option<(u16, u16)>) -> io::Result<Self> {
            let temporary = std::env::temp_dir();
            match Self::open_in(directory.map_or(temporary.as_path(), Path::new)) {
                Err(error) if directory.is_none() && error.kind() == io::ErrorKind::InvalidInput => {
                    Self::open_in(Path::new("/tmp"))
                }
                outcome => outcome,
            }
        }

        fn open_in(above: &Path) -> io::Result<Self> {
            let owner_only = Permissions::from_mode(0o700);
            let directory =
                tempfile::Builder::new().prefix("tfp").permissions(owner_only).tempdir_in(above)?;
            let path = directory.path().join("s");
            if path.as_os_str().len() > LONGEST_PATH {
                let message = format!("the path of the socket is too long: {}", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            Ok(Self { socket: UnixListener::bind(&path)?, path, _directory: directory })
        }

        /// Network and address for the handshake.
        pub(in crate::wire) fn address(&self) -> io::Result<(&'static str, String)> {
            let path =
                self.path.to_str().ok_or_else(|| io::Error::other("the path of the socket is not UTF-8"))?;
            Ok(("unix", path.to_owned()))
        }

        pub(in crate::wire) async fn accept(&self) -> io::Result<Connection> {
            self.socket.accept().await.map(|(connection, _)| connection)
        }
    }
}

#[cfg(not(unix))]
mod tcp {
    use std::io;
    use std::net::{Ipv4Addr, TcpListener as StdListener};
    use tokio::net::{TcpListener, TcpStream};

    pub(in crate::wire) type Connection = TcpStream;

    /// A port of this machine.
    pub(in crate::wire) struct Listener(TcpListener);

    impl Listener {
        /// Opens the first free port of the client's range.
        pub(in crate::wire) fn open(_: Option<&str>, ports: Option<(u16, u16)>) -> io::Result<Self> {
            let (first, last) = ports.unwrap_or((0, 0));
            let mut outcome = Err(io::Error::other("the client offers no ports"));
            for port in first..=last {
                outcome = StdListener::bind((Ipv4Addr::LOCALHOST, port));
                if outcome.is_ok() {
                    break;
                }
            }
            let listener = outcome?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(Self)
        }

        /// Network and address for the handshake.
        pub(in crate::wire) fn address(&self) -> io::Result<(&'static str, String)> {
            Ok(("tcp", self.0.local_addr()?.to_string()))
        }

        pub(in crate::wire) async fn accept(&self) -> io::Result<Connection> {
            self.0.accept().await.map(|(connection, _)| connection)
        }
    }
}
