pub struct Script;
pub fn parse(_: &str) -> Result<Script, String> {
    todo!()
}
