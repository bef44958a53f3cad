//! Dash in an OpenClaw: the skill, the name `dashctl`, and what OpenClaw's own configuration must hold. OpenClaw's
//! files are only read here; what has to change in them is changed by OpenClaw's own command line.

mod files;
mod look;
mod program;
mod record;
mod settings;

pub use files::{FileError, Files, Kept, NAME, SKILL, Skill};
pub use look::{Look, Plugin, SkillRow};
pub use program::{Output, Program, quoted};
pub use record::Record;
pub use settings::{AGENT, Before, Part, RULE_FOR, Setting, Undo, Wanted, at, has_rule, read};
