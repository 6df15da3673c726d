//! Full-text search: what people type becomes a safe FTS5 expression.

use rusqlite::Connection;

use super::{COLUMNS, PAGE_PRODUCTS, Product, read_product};
use crate::problem::Problem;

/// Words of a search that count. Further ones are left out.
const WORDS_MAX: usize = 8;

/// Every word must occur, the beginning of a word is enough. `None` where nothing was asked.
pub(super) fn expression(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        // Quoted, so that AND, NEAR and the like are words and not operators.
        .map(|word| format!("\"{}\"*", word.to_lowercase()))
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

/// Best matches first; a word in the name weighs most.
pub(super) fn run(connection: &Connection, expression: &str) -> Result<Vec<Product>, Problem> {
    let sql = format!(
        "select {COLUMNS} from words join products on products.id = words.id
         where words match ? order by bm25(words, 0, 8.0, 4.0, 2.0, 1.0), position limit ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((expression, PAGE_PRODUCTS), read_product)?;
    Ok(rows.collect::<rusqlite::Result<Vec<Product>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (text, want) in [
            ("", None),
            (" -- ", None),
            ("Clock", Some("\"clock\"*")),
            ("red \"watch\" OR 1=1", Some("\"red\"* \"watch\"* \"or\"* \"1\"* \"1\"*")),
            ("a b c d e f g h i", Some("\"a\"* \"b\"* \"c\"* \"d\"* \"e\"* \"f\"* \"g\"* \"h\"*")),
        ] {
            assert_eq!(expression(text).as_deref(), want, "{text}");
        }
    }
}
