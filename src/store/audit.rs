//! Which facts are operations, and what the audit trail keeps of them.
