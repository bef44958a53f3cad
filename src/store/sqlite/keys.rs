//! Which requests with a key were answered: most keys are new, and to know that needs no file.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Keys that are remembered, at most: some megabytes. With more, the file is asked each time.
const KEYS_MAX: usize = 100_000;

/// The keys of all answers in the file, by their hashes. A cache: what it does not know, the file does.
#[derive(Debug, Default)]
pub(super) struct Keys {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    hashes: HashSet<u64>,
    /// Whether those are in it that were in the file when it was opened.
    whole: bool,
    /// There are too many to remember.
    full: bool,
}

impl Keys {
    /// Takes note of an answer that is durable. To be called before whoever waits for it is told.
    pub(super) fn note(&self, key: &str) {
        let hash = self.hasher.hash_one(key);
        self.known().add(hash);
    }

    /// Whether there is surely no answer with this key.
    pub(super) fn is_new(&self, key: &str) -> bool {
        let hash = self.hasher.hash_one(key);
        let known = self.known();
        known.whole && !known.full && !known.hashes.contains(&hash)
    }

    /// Reads the file's keys, once. What is written meanwhile is noted.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<()> {
        let is_read = |known: &Known| known.whole || known.full;
        if is_read(&self.known()) {
            return Ok(());
        }
        let mut statement = connection.prepare("SELECT key FROM answers")?;
        let mut rows = statement.query(())?;
        let mut hashes = Vec::new();
        while let Some(row) = rows.next()?
            && hashes.len() <= KEYS_MAX
        {
            hashes.push(self.hasher.hash_one(row.get_ref(0)?.as_str()?));
        }
        let mut known = self.known();
        for hash in hashes {
            known.add(hash);
        }
        known.whole = true;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, hash: u64) {
        if self.hashes.len() >= KEYS_MAX {
            (self.hashes, self.full) = (HashSet::new(), true);
        }
        if !self.full {
            self.hashes.insert(hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(count: usize) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute("CREATE TABLE answers (key TEXT)", ()).unwrap();
        let rows = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
                    INSERT INTO answers SELECT 'key ' || n FROM n";
        connection.execute(rows, [i64::try_from(count).unwrap()]).unwrap();
        connection
    }

    #[test]
    fn a_key_is_new_only_when_neither_the_file_nor_the_writer_has_it() {
        let keys = Keys::default();
        keys.note("a");
        assert!(!keys.is_new("b"), "the file was not asked yet");
        keys.read(&file(3)).unwrap();
        keys.note("c");
        assert!(keys.is_new("b"));
        for known in ["a", "c", "key 1", "key 3"] {
            assert!(!keys.is_new(known), "{known}");
        }
    }

    #[test]
    fn too_many_keys_are_left_to_the_file() {
        let keys = Keys::default();
        keys.read(&file(KEYS_MAX + 1)).unwrap();
        assert!(!keys.is_new("b"));
        assert!(keys.known().hashes.is_empty());
    }
}
