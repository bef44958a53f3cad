use proptest::prelude::*;

use super::*;

fn sample() -> Table {
    let mut table = Table::new(&[
        Column::Fixed("ID"),
        Column::Shrinks("LABEL"),
        Column::Fixed("STATUS"),
        Column::Optional("AGE"),
        Column::Shrinks("COMMAND"),
        Column::Optional("GROUP"),
    ]);
    table.row(vec![
        "kkkkkkkk".into(),
        "fix-bug".into(),
        Cell::painted("running", Paint::Cyan),
        "2h 5m".into(),
        "cargo test --workspace --all-features".into(),
        "nightly".into(),
    ]);
    table.row(vec![
        "llllllll".into(),
        "日本語のラベルはとても長い".into(),
        Cell::painted("failed", Paint::Red),
        "3s".into(),
        "sh -c 'exit 1'".into(),
        Cell::default(),
    ]);
    table
}

#[test]
fn wide_enough_shows_all() {
    insta::assert_snapshot!(sample().render(200, false), @r"
    ID        LABEL                       STATUS   AGE    COMMAND                                GROUP
    kkkkkkkk  fix-bug                     running  2h 5m  cargo test --workspace --all-features  nightly
    llllllll  日本語のラベルはとても長い  failed   3s     sh -c 'exit 1'
    ");
}

#[test]
fn eighty_columns_shrink_what_may() {
    insta::assert_snapshot!(sample().render(80, false), @r"
    ID        LABEL                  STATUS   AGE    COMMAND                GROUP
    kkkkkkkk  fix-bug                running  2h 5m  cargo test --workspa…  nightly
    llllllll  日本語のラベルはとて…  failed   3s     sh -c 'exit 1'
    ");
}

#[test]
fn forty_columns_leave_out_what_may() {
    insta::assert_snapshot!(sample().render(40, false), @r"
    ID        LABEL      STATUS   COMMAND
    kkkkkkkk  fix-bug    running  cargo te…
    llllllll  日本語の…  failed   sh -c 'e…
    ");
}

#[test]
fn colours_have_no_width() {
    let colored = sample().render(80, true);
    assert!(colored.contains("\u{1b}[36mrunning\u{1b}[0m  2h 5m"), "{colored}");
    let plain: String = colored.lines().map(|line| super::super::clean(line) + "\n").collect();
    assert_eq!(plain, sample().render(80, false));
}

#[test]
fn no_rows_no_table() {
    assert_eq!(Table::new(&[Column::Fixed("ID")]).render(80, true), "");
}

proptest! {
    #[test]
    fn nothing_is_wider_than_asked(
        texts in prop::collection::vec(("[a-z ]{0,60}", "\\PC{0,60}"), 1..5),
        width in 32_usize..200,
    ) {
        let mut table = Table::new(&[
            Column::Fixed("ID"), Column::Shrinks("LABEL"), Column::Shrinks("TASK"),
        ]);
        for (label, task) in texts {
            let task = super::super::clean(&task).into_owned();
            table.row(vec!["kkkkkkkk".into(), label.into(), task.into()]);
        }
        for line in table.render(width, false).lines() {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
            prop_assert!(line.starts_with("kkkkkkkk") || line.starts_with("ID"));
        }
    }

    #[test]
    fn clipping_fits(text in "\\PC{0,40}", columns in 1_usize..30) {
        prop_assert!(clip(&text, columns).width() <= columns);
    }
}
