//! Where a store lies: its folder, held open, so that the file and the operator's socket are reached
//! within it and not by a path that somebody may turn elsewhere; and which users are believed there.

use std::{
    ffi::OsString,
    fmt, fs,
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, Stat, fchmod, fchown, fstat, mkdirat, openat, statat,
    },
    io::Errno,
    process::{Gid, Uid, geteuid},
};

/// Bytes that the path of a Unix socket may have (`sun_path`, with its final zero).
const SOCKET_PATH_MAX: usize = 107;
const SOCKET_SUFFIX: &str = ".admin";
const LINKS_MAX: usize = 40;

/// The folder of a store and the name of its file. Symbolic links are followed when it is made, and
/// not after that.
pub struct StorePlace {
    folder: OwnedFd,
    /// Who owns the folder.
    owner: u32,
    /// The folder's group.
    group: u32,
    /// Whether others than the owner may put files into the folder.
    shared: bool,
    name: OsString,
    path: PathBuf,
}

impl StorePlace {
    /// Finds the place of a store that may be there.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder, or what is wrong with the path.
    pub fn find(path: &Path) -> io::Result<Self> {
        let path = resolve(path)?;
        let (folder, name) = split(&path)?;
        Self::within(open_folder(CWD, folder)?, name, path)
    }

    /// As [`StorePlace::find`], and makes the folder if it has to: mode 0700, and its owner is that
    /// of the folder above it.
    ///
    /// # Errors
    /// What is wrong with the path, before anything is made; or what the system says.
    pub fn make(path: &Path) -> io::Result<Self> {
        let path = resolve(path)?;
        let (folder, name) = split(&path)?;
        let mut there = folder;
        let mut missing = Vec::new();
        while !there.try_exists()? {
            missing.push(there.file_name().ok_or(io::ErrorKind::NotFound)?);
            there = there.parent().ok_or(io::ErrorKind::NotFound)?;
        }
        let mut folder = open_folder(CWD, there)?;
        // A store that no operator could reach while it is served is not begun.
        socket_address(&folder, &path)?;
        for name in missing.into_iter().rev() {
            let above = fstat(&folder)?;
            match mkdirat(&folder, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = open_folder(folder.as_fd(), Path::new(name))?;
            hand_over(folder.as_fd(), above.st_uid, above.st_gid)?;
        }
        Self::within(folder, name, path)
    }

    fn within(folder: OwnedFd, name: OsString, path: PathBuf) -> io::Result<Self> {
        let stat = fstat(&folder)?;
        socket_address(&folder, &path)?;
        Ok(Self {
            folder,
            owner: stat.st_uid,
            group: stat.st_gid,
            shared: stat.st_mode & 0o022 != 0,
            name,
            path,
        })
    }

    /// The path, after its links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something has the name of the store's file.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.stat(&self.name).is_some()
    }

    /// Who owns the store's file, if it is there.
    #[must_use]
    pub fn file_owner(&self) -> Option<User> {
        self.stat(&self.name).map(|stat| User(stat.st_uid))
    }

    /// Whether this user may have to do with the store: root and the user of this process; for root
    /// also whoever owns the folder, or the file if only the folder's owner can have put it there.
    #[must_use]
    pub fn trusts(&self, user: User) -> bool {
        let me = User::of_this_process();
        let owner_of_the_file = || !self.shared && self.file_owner() == Some(user);
        user.is_root()
            || user == me
            || me.is_root() && (user.0 == self.owner || owner_of_the_file())
    }

    /// Opens the store's file to read and write, or makes it: mode 0600, for the folder's owner.
    pub(super) fn open(&self) -> io::Result<File> {
        let file = match self.open_with(OFlags::RDWR) {
            Err(error) if error == Errno::NOENT => {
                match self.open_with(OFlags::RDWR | OFlags::CREATE | OFlags::EXCL) {
                    Ok(made) => {
                        hand_over(made.as_fd(), self.owner, self.group)?;
                        // Whatever the umask has taken away.
                        fchmod(&made, Mode::from_raw_mode(0o600))?;
                        Ok(made)
                    }
                    Err(error) if error == Errno::EXIST => self.open_with(OFlags::RDWR),
                    Err(error) => Err(error),
                }
            }
            opened => opened,
        };
        let file = self.checked(file)?;
        // A name that is not on disk would take the first enrolments with it.
        rustix::fs::fsync(&self.folder)?;
        Ok(file)
    }

    /// Opens the store's file to read.
    pub(super) fn open_to_read(&self) -> io::Result<File> {
        self.checked(self.open_with(OFlags::RDONLY))
    }

    fn open_with(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        openat(&self.folder, &self.name, flags, Mode::from_raw_mode(0o600))
    }

    fn checked(&self, opened: rustix::io::Result<OwnedFd>) -> io::Result<File> {
        let refused = |why: String| io::Error::new(io::ErrorKind::PermissionDenied, why);
        let file = match opened {
            Ok(file) => file,
            Err(Errno::ACCESS) => {
                let whose = match self.file_owner() {
                    Some(owner) => format!("it belongs to {owner}"),
                    None => format!("its folder belongs to {}", User(self.owner)),
                };
                return Err(refused(format!(
                    "{whose}, and this runs as {}; the service and its operator's commands are to \
                     run as one user (an operator may also be root), or chown hands it over",
                    User::of_this_process()
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(refused(
                "it holds the keys that sign tokens, and others may read it; run chmod 600 on it"
                    .into(),
            ));
        }
        let owner = User(stat.st_uid);
        if !self.trusts(owner) {
            return Err(refused(format!(
                "it belongs to {owner}, in a folder where others may put files; run this as \
                 {owner}, or keep the store in a folder of its own"
            )));
        }
        Ok(file.into())
    }

    /// The path under which the operator's socket can be bound: within the folder that is open
    /// here, and short enough.
    pub(crate) fn socket_address(&self) -> io::Result<PathBuf> {
        socket_address(&self.folder, &self.path)
    }

    /// The socket's path as people know it.
    pub(crate) fn socket_shown(&self) -> PathBuf {
        socket_of(&self.path)
    }

    /// The socket, if one is there.
    ///
    /// # Errors
    /// `PermissionDenied` when it belongs to a user who has nothing to do with the store.
    pub(crate) fn socket(&self) -> io::Result<Option<FoundSocket>> {
        let socket = self.socket_shown();
        let name = socket.file_name().unwrap_or_default();
        let held = match look(self.folder.as_fd(), name) {
            Ok(held) => held,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = match &held {
            Some(held) => fstat(held)?,
            None => statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?,
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a socket",
            ));
        }
        let owner = User(stat.st_uid);
        if !self.trusts(owner) {
            return Err(self.stranger(owner));
        }
        let address = match held.as_ref().and_then(|held| by_descriptor(held.as_fd())) {
            Some(address) => address,
            None => self.socket_address()?,
        };
        Ok(Some(FoundSocket {
            address,
            owner,
            _held: held,
        }))
    }

    /// What is said of a socket or a server of somebody who has nothing to do with the store.
    pub(crate) fn stranger(&self, user: User) -> io::Error {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it is one of {user}, who has nothing to do with this store, so nothing was asked \
                 of it; keep the store in a folder where nobody else may put files"
            ),
        )
    }

    fn stat(&self, name: &std::ffi::OsStr) -> Option<Stat> {
        statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }
}

/// A socket that was found beside a store and belongs to somebody who may serve it. Its address stays
/// that of the one that was looked at, whatever takes its name.
pub(crate) struct FoundSocket {
    pub(crate) address: PathBuf,
    pub(crate) owner: User,
    _held: Option<OwnedFd>,
}

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User(u32);

impl User {
    /// By its number.
    #[must_use]
    pub const fn new(uid: u32) -> Self {
        Self(uid)
    }

    /// The one whose rights this process has.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(geteuid().as_raw())
    }

    /// Whether it is root.
    #[must_use]
    pub const fn is_root(self) -> bool {
        self.0 == 0
    }
}

/// By name as well, where `/etc/passwd` has it.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(uid) = self;
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = known.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(*uid)).then_some(name)
        });
        match name {
            Some(name) => write!(f, "{name} (uid {uid})"),
            None => write!(f, "uid {uid}"),
        }
    }
}

/// Follows symbolic links at the end of a path, as long as they are links of root or of this user.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..LINKS_MAX {
        let link = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => metadata,
            _ => return Ok(path),
        };
        let owner = User(link.uid());
        if !owner.is_root() && owner != User::of_this_process() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("it is a symbolic link of {owner}; name the file that it leads to"),
            ));
        }
        let target = fs::read_link(&path)?;
        path.pop();
        path.push(target);
    }
    Err(io::Error::other("it has too many symbolic links"))
}

fn split(path: &Path) -> io::Result<(&Path, OsString)> {
    match (path.parent(), path.components().next_back()) {
        (Some(folder), Some(Component::Normal(name))) => Ok((folder, name.to_owned())),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not the path of a file",
        )),
    }
}

fn open_folder(at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}

/// What root makes in a folder of somebody else's is theirs, or they could not use it.
fn hand_over(made: BorrowedFd<'_>, owner: u32, group: u32) -> io::Result<()> {
    if User::of_this_process().is_root() && owner != 0 && fstat(made)?.st_uid == 0 {
        fchown(made, Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)))?;
    }
    Ok(())
}

/// The socket's path: that of the store with `.admin` appended.
fn socket_of(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(SOCKET_SUFFIX);
    path.into()
}

fn socket_address(folder: &OwnedFd, store: &Path) -> io::Result<PathBuf> {
    let socket = socket_of(store);
    let name = socket.file_name().unwrap_or_default();
    let path = match by_descriptor(folder.as_fd()) {
        Some(folder) => folder.join(name),
        None => socket.clone(),
    };
    let too_long = path.as_os_str().len().saturating_sub(SOCKET_PATH_MAX);
    if too_long > 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "its name is {too_long} bytes too long for the operator's socket beside it, {}",
                name.display()
            ),
        ));
    }
    Ok(path)
}

/// A path that leads to what is open here, wherever that is; none where there is no `/proc`.
pub(super) fn by_descriptor(open: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    path.symlink_metadata().is_ok().then_some(path)
}

/// Holds what has this name, without opening or following it; `None` where the system has no way to.
#[cfg(target_os = "linux")]
fn look(folder: BorrowedFd<'_>, name: &std::ffi::OsStr) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty()).map(Some)
}

#[cfg(not(target_os = "linux"))]
fn look(folder: BorrowedFd<'_>, name: &std::ffi::OsStr) -> rustix::io::Result<Option<OwnedFd>> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|_| None)
}
