//! The socket on a real file system.

use std::os::unix::net::UnixListener as OtherListener;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[tokio::test]
async fn the_directory_and_the_socket_are_their_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run/dash.sock");
    let (listener, file) = bind(&path).unwrap();
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    let (client, accepted) =
        tokio::join!(tokio::net::UnixStream::connect(&path), listener.accept());
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(accepted.unwrap().0.peer_cred().unwrap().uid(), uid);
    drop((client, file));
    assert!(!path.exists(), "the file goes with the listener");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dash.sock");
    drop(OtherListener::bind(&path).unwrap());
    assert!(path.exists(), "as a daemon that was killed leaves it");
    let live = bind(&path).unwrap();
    let again = bind(&path).err().unwrap();
    assert!(matches!(again, ServerError::AlreadyListening { .. }), "{again:?}");
    assert!(again.hint().unwrap().contains("dash shutdown"));
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(live);
}

#[tokio::test]
async fn what_is_no_socket_is_not_removed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dash.sock");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(bind(&path).err().unwrap(), ServerError::NotASocket { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn another_daemons_socket_is_not_removed_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dash.sock");
    let (_listener, file) = bind(&path).unwrap();
    fs::rename(&path, home.path().join("moved")).unwrap();
    let _other = OtherListener::bind(&path).unwrap();
    drop(file);
    assert!(path.exists());
}

#[tokio::test]
async fn a_directory_that_everybody_may_change_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let open = home.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let refused = bind(&open.join("dash.sock")).err().unwrap();
    assert!(matches!(refused, ServerError::OpenDirectory { .. }), "{refused:?}");
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    assert!(bind(&open.join("dash.sock")).is_ok(), "as /tmp is");
}

#[test]
fn users_are_found_by_number() {
    let users = "root:x:0:0:root:/root:/bin/bash\nbroken\n:x:7:7::/:\nme:x:1000:1000::/home/me:\n";
    assert_eq!(find_name(users, 0), Some("root"));
    assert_eq!(find_name(users, 1000), Some("me"));
    assert_eq!(find_name(users, 7), None);
    assert_eq!(find_name(users, 100), None);
}
