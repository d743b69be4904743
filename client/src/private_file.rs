//! Files that nobody else may read and that are never half-written: credentials and sessions.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::{Failure, FailureKind};

/// Makes a file of mode 0600 that did not exist before. It appears whole or not at all, and is on
/// disk when this returns. What root makes beside the file of another user is `owned_like` that file,
/// or its owner could not read what is to follow it.
///
/// # Errors
/// Bad input (code `file_exists`) when the path is taken, unavailable when the disk says no.
pub fn create(path: &Path, contents: &[u8], owned_like: Option<&Path>) -> Result<(), Failure> {
    let prepared = prepare(path, contents, owned_like)?;
    prepared.persist_noclobber(path).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            taken(path)
        } else {
            cannot("write", path, &error.error)
        }
    })?;
    sync_parent(path)
}

/// As [`create`], in the place of what was there.
///
/// # Errors
/// Unavailable when the disk says no.
pub fn replace(path: &Path, contents: &[u8], owned_like: Option<&Path>) -> Result<(), Failure> {
    let prepared = prepare(path, contents, owned_like)?;
    prepared
        .persist(path)
        .map_err(|error| cannot("write", path, &error.error))?;
    sync_parent(path)
}

/// Gives a file another name, over what had that name.
///
/// # Errors
/// Unavailable when the disk says no.
pub fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| cannot("rename", from, &error))?;
    sync_parent(to)
}

/// Reads a file that others cannot read, `limit` bytes at most.
///
/// # Errors
/// Bad input when the file is missing, open to others, or too long to be what is wanted.
pub fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(
            FailureKind::BadInput,
            "no_such_file",
            format!("no such file: {}", path.display()),
        ),
        _ => cannot("read", path, &error),
    })?;
    let metadata = file
        .metadata()
        .map_err(|error| cannot("read", path, &error))?;
    if metadata.is_dir() {
        return Err(Failure::bad_input(format!(
            "{} is a directory, not a file",
            path.display()
        )));
    }
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::new(
            FailureKind::BadInput,
            "file_open_to_others",
            format!(
                "{path} can be read or changed by others (mode {mode:04o}) and is not used so: \
                 chmod 600 {path}",
                path = path.display(),
                mode = mode & 0o7777,
            ),
        ));
    }
    read_bounded(file, limit)
        .map_err(|error| cannot("read", path, &error))?
        .ok_or_else(|| {
            Failure::bad_input(format!(
                "{} is longer than {limit} bytes, too long for what it should be",
                path.display()
            ))
        })
}

/// Reads to the end into memory that is allocated once and zeroized; `None` beyond `limit` bytes.
///
/// # Errors
/// What the reader says.
pub fn read_bounded(reader: impl Read, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Growing would leave copies behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(limit + 1));
    reader.take(limit as u64 + 1).read_to_end(&mut contents)?;
    Ok((contents.len() <= limit).then_some(contents))
}

/// Makes a directory of mode 0700, and the missing ones above it.
///
/// # Errors
/// Unavailable when the disk says no.
pub fn create_directory(directory: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| cannot("make the directory", directory, &error))
}

/// The path that a path leads to when it is a symbolic link; any other as it is.
#[must_use]
pub fn behind_links(path: PathBuf) -> PathBuf {
    if path.is_symlink() {
        // Reading it will say what is wrong with a link that leads nowhere.
        path.canonicalize().unwrap_or(path)
    } else {
        path
    }
}

/// The path with `suffix` at its end: `alice.json` and `.next` give `alice.json.next`.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a file can be made here, as far as can be told beforehand.
///
/// # Errors
/// As [`create`].
pub fn can_be_made(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(taken(path));
    }
    directory_of(path).map(drop)
}

/// The contents, on disk under a name of their own in the directory where they are to appear.
fn prepare(
    path: &Path,
    contents: &[u8],
    owned_like: Option<&Path>,
) -> Result<NamedTempFile, Failure> {
    let parent = directory_of(path)?;
    let write = || -> io::Result<NamedTempFile> {
        let mut file = tempfile::Builder::new()
            .prefix(".2fapi-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(parent)?;
        if let Some(other) = owned_like {
            let (made, other) = (file.as_file().metadata()?, fs::metadata(other)?);
            if made.uid() != other.uid() {
                fchown(file.as_file(), Some(other.uid()), Some(other.gid()))?;
            }
        }
        file.write_all(contents)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| cannot("write", path, &error))
}

fn directory_of(path: &Path) -> Result<&Path, Failure> {
    let parent = parent(path);
    if parent.is_dir() {
        return Ok(parent);
    }
    Err(Failure::bad_input(format!(
        "there is no directory {} to write {} to",
        parent.display(),
        path.display()
    )))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A new name is on disk only when its directory is.
fn sync_parent(path: &Path) -> Result<(), Failure> {
    File::open(parent(path))
        .and_then(|directory| directory.sync_all())
        .map_err(|error| cannot("write", path, &error))
}

fn taken(path: &Path) -> Failure {
    Failure::new(
        FailureKind::BadInput,
        "file_exists",
        format!(
            "{} exists already and may be the only copy of a credential or token, so it is never \
             overwritten: choose another path, or move it away",
            path.display()
        ),
    )
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_private_whole_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/file");
        create_directory(path.parent().unwrap()).unwrap();
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&directory.path().join("a")), 0o700);
        create(&path, b"first", None).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(
            create(&path, b"second", None).unwrap_err().code(),
            "file_exists"
        );
        assert_eq!(read(&path, 5).unwrap().as_slice(), b"first");
        replace(&path, b"third", None).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read(&path, 5).unwrap().as_slice(), b"third");
        // Nothing is left lying about.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_open_to_others_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        create(&path, b"secret", None).unwrap();
        for open in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let failure = read(&path, 100).unwrap_err();
            assert_eq!(failure.code(), "file_open_to_others");
            assert!(failure.to_string().contains("chmod 600"), "{failure}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_or_missing_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert_eq!(read(&path, 5).unwrap_err().code(), "no_such_file");
        create(&path, b"123456", None).unwrap();
        assert!(read(&path, 5).is_err());
        assert!(read(&path, 6).is_ok());
        assert!(read(directory.path(), 5).is_err());
    }
}
