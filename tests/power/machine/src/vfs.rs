//! SQLite's view of the machine: C functions that find the open file and call it. Not here: the behaviour of the machine.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::Synchronous;
use crate::boot::{Answer, Boot, Connection};

static RUNNING: Mutex<BTreeMap<PathBuf, Arc<Boot>>> = Mutex::new(BTreeMap::new());
static BELOW: OnceLock<Below> = OnceLock::new();

/// The VFS that was the default. It has all files except those of machines.
struct Below(*mut sqlite3_vfs);

// SAFETY: SQLite's own VFS is for any thread, and a registered one is never changed.
unsafe impl Send for Below {}
// SAFETY: as above.
unsafe impl Sync for Below {}

/// Gives the files of the log in `folder` to `boot`.
pub(crate) fn run(folder: &Path, boot: Arc<Boot>) {
    BELOW.get_or_init(register);
    running().insert(folder.to_owned(), boot);
}

pub(crate) fn end(folder: &Path) {
    running().remove(folder);
}

fn running() -> MutexGuard<'static, BTreeMap<PathBuf, Arc<Boot>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn register() -> Below {
    // SAFETY: null asks for the default VFS, of which there is always one here.
    let below = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
    // SAFETY: SQLite has just given it. What is not set here neither looks at the VFS that it is called with nor at a file.
    let mut vfs = unsafe { *below };
    vfs.zName = c"machine".as_ptr();
    vfs.pNext = std::ptr::null_mut();
    vfs.szOsFile = vfs.szOsFile.max(size_of::<File>() as c_int);
    vfs.xOpen = Some(open);
    vfs.xDelete = Some(delete);
    vfs.xAccess = Some(access);
    // SAFETY: the VFS lives as long as the process.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 1) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite takes a VFS");
    Below(below)
}

fn below() -> (*mut sqlite3_vfs, &'static sqlite3_vfs) {
    let Below(below) = BELOW.get().expect("set before ours was registered");
    // SAFETY: a registered VFS stays where it is and as it is.
    (*below, unsafe { &**below })
}

/// The running machine whose file has this path, and the file's name there.
///
/// # Safety
///
/// `path` is null or a text that ends with a zero byte.
unsafe fn ours(path: *const c_char) -> Option<(Arc<Boot>, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, and so what the caller promises.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let name = path.file_name()?.to_str().filter(|name| crate::is_on_disk(name))?;
    let boot = running().get(path.parent()?)?.clone();
    Some((boot, name.to_owned()))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a path, or null for a file without one.
    let Some((boot, name)) = (unsafe { ours(path) }) else {
        let (vfs, table) = below();
        // SAFETY: SQLite's own arguments, with room for a file of that VFS.
        return unsafe { table.xOpen.expect("every VFS has it")(vfs, path, file, flags, out_flags) };
    };
    let opened = boot.open(&name, flags);
    let (methods, connection, code) = match opened {
        Ok(connection) => (&raw const METHODS, Box::into_raw(Box::new(connection)), ffi::SQLITE_OK),
        // Without methods SQLite does not close it.
        Err(code) => (std::ptr::null(), std::ptr::null_mut(), code),
    };
    // SAFETY: SQLite gives room for as many bytes as it was told, aligned for anything.
    unsafe { file.cast::<File>().write(File { base: sqlite3_file { pMethods: methods }, connection }) };
    // SAFETY: null, or a number of SQLite's to be set.
    if let Some(out_flags) = unsafe { out_flags.as_mut() } {
        *out_flags = flags;
    }
    code
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite gives a path.
    match unsafe { ours(path) } {
        Some((boot, name)) => code(boot.delete(&name, sync != 0)),
        None => {
            let (vfs, table) = below();
            // SAFETY: SQLite's own arguments.
            unsafe { table.xDelete.expect("every VFS has it")(vfs, path, sync) }
        }
    }
}

unsafe extern "C" fn access(_: *mut sqlite3_vfs, path: *const c_char, flags: c_int, found: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a path.
    match unsafe { ours(path) } {
        // SAFETY: a number of SQLite's to be set.
        Some((boot, name)) => unsafe { tell(boot.exists(&name).map(c_int::from), found) },
        None => {
            let (vfs, table) = below();
            // SAFETY: SQLite's own arguments.
            unsafe { table.xAccess.expect("every VFS has it")(vfs, path, flags, found) }
        }
    }
}

/// An open file as SQLite holds it.
#[repr(C)]
struct File {
    base: sqlite3_file,
    connection: *mut Connection,
}

/// As SQLite's VFS for Unix: shared memory, and no mapped files, which the ledger does not ask for.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
///
/// `file` was opened by [`open`] and is not closed, and no other code uses it now: SQLite uses a file from one thread at a time.
unsafe fn connection<'f>(file: *mut sqlite3_file) -> &'f mut Connection {
    // SAFETY: then it is a `File`, and its connection is a box that only `close` takes back.
    unsafe { &mut *(*file.cast::<File>()).connection }
}

fn code(answer: Answer<impl Sized>) -> c_int {
    answer.err().unwrap_or(ffi::SQLITE_OK)
}

/// # Safety
///
/// `to` may be written.
unsafe fn tell<T>(answer: Answer<T>, to: *mut T) -> c_int {
    // SAFETY: what the caller promises.
    code(answer.map(|value| unsafe { to.write(value) }))
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and it was opened by `open`.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).connection) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, len: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives room for `len` bytes, which it has written before.
    let bytes = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), len as usize) };
    // SAFETY: SQLite gives an open file.
    code(unsafe { connection(file) }.read(at as usize, bytes))
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, len: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len as usize) };
    // SAFETY: SQLite gives an open file.
    code(unsafe { connection(file) }.write(at as usize, bytes))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives an open file.
    code(unsafe { connection(file) }.truncate(len as usize))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    code(unsafe { connection(file) }.sync())
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives an open file, and a number to be set.
    unsafe { tell(connection(file).size().map(|size| size as sqlite3_int64), size) }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    code(unsafe { connection(file) }.lock(level))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    unsafe { connection(file) }.unlock(level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, reserved: *mut c_int) -> c_int {
    // SAFETY: SQLite gives an open file, and a number to be set.
    unsafe { tell(connection(file).is_reserved().map(c_int::from), reserved) }
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    // SAFETY: SQLite gives an open file.
    let synchronous = unsafe { connection(file) }.boot.synchronous;
    if op != ffi::SQLITE_FCNTL_PRAGMA || synchronous == Synchronous::AsAsked {
        return ffi::SQLITE_NOTFOUND;
    }
    // SAFETY: with this operation it is an array of texts: room for the answer, the pragma's name, and its value or null.
    unsafe { weaken(&mut *arg.cast::<[*mut c_char; 3]>()) }
}

/// Turns `PRAGMA synchronous = FULL` into `= 1`, which is NORMAL, and has `PRAGMA synchronous` say 2, which is FULL. So the log
/// opens as it always does, read-back included, and SQLite itself runs with NORMAL.
///
/// # Safety
///
/// The second is a text, and the third null or one that SQLite has made for this statement alone.
unsafe fn weaken([answer, name, value]: &mut [*mut c_char; 3]) -> c_int {
    // SAFETY: a text.
    if !unsafe { CStr::from_ptr(*name) }.to_bytes().eq_ignore_ascii_case(b"synchronous") {
        return ffi::SQLITE_NOTFOUND;
    }
    if value.is_null() {
        // SAFETY: SQLite frees the answer by `sqlite3_free`.
        *answer = unsafe { ffi::sqlite3_mprintf(c"2".as_ptr()) };
        return ffi::SQLITE_OK;
    }
    // SAFETY: it has as many bytes before the zero byte at its end as are written over.
    unsafe {
        assert!(CStr::from_ptr(*value).count_bytes() > 0, "a pragma's value is not empty");
        value.write(b'1' as c_char);
        value.add(1).write(0);
    }
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    4096
}

/// The bytes beside those that are written are safe; sectors that are written may be torn for all that.
unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    index: c_int,
    size: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite gives an open file.
    let mapped = unsafe { connection(file) }.map(index as usize, size as usize, extend != 0);
    // SAFETY: a pointer of SQLite's to be set.
    unsafe { tell(mapped.map(|region| region.cast_mut().cast()), to) }
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, first: c_int, n: c_int, flags: c_int) -> c_int {
    let (first, n) = (first as usize, n as usize);
    // SAFETY: SQLite gives an open file.
    let connection = unsafe { connection(file) };
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        connection.unlock_memory(first, n);
        return ffi::SQLITE_OK;
    }
    code(connection.lock_memory(first, n, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0))
}

unsafe extern "C" fn shm_barrier(_: *mut sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    unsafe { connection(file) }.unmap();
    ffi::SQLITE_OK
}
