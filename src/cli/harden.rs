//! What daemon and keeper do for the secrets that they hold in memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::process::{getrlimit, set_dumpable_behavior, setrlimit};

/// No image of this process is written to a disk, and other processes of the same user can neither
/// trace it nor read its memory or environment (`PR_SET_DUMPABLE`, prctl(2)). Agents are not meant:
/// a program that is executed can be dumped again, and may raise the limit, which is the soft one.
pub(super) fn no_core_dumps() {
    let limit = getrlimit(Resource::Core);
    // Where the system refuses, the process is no worse off than before.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..limit });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
