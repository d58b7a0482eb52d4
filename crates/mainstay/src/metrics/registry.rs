//! Everybody who has something to say at a scrape.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Collect, Family, Format, Kind, Page};

/// The collectors of a service, in the order of its page.
pub(crate) struct Registry {
    collectors: Vec<Arc<dyn Collect>>,
    /// How large the last page was, as room for the next.
    last: AtomicUsize,
}

impl Registry {
    /// Looks at what they write once; a sentence for each name that nobody could work with.
    pub(crate) fn new(collectors: Vec<Arc<dyn Collect>>) -> Result<Self, String> {
        let registry = Self { collectors, last: AtomicUsize::new(0) };
        let mistakes = mistakes(&registry.families());
        if mistakes.is_empty() { Ok(registry) } else { Err(mistakes.join("; ")) }
    }

    /// The page as it is now.
    pub(crate) fn scrape(&self, format: Format) -> String {
        let mut page = Page::new(format, self.last.load(Ordering::Relaxed) + 1024);
        self.collectors.iter().for_each(|collector| collector.collect(&mut page));
        let text = page.finish();
        self.last.store(text.len(), Ordering::Relaxed);
        text
    }

    /// Every metric there is.
    pub(crate) fn families(&self) -> Vec<Family> {
        let mut page = Page::new(Format::Text, 0);
        self.collectors.iter().for_each(|collector| collector.collect(&mut page));
        page.families().to_vec()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({} collectors)", self.collectors.len())
    }
}

fn mistakes(families: &[Family]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut mistakes = Vec::new();
    for Family { name, kind, help } in families {
        if !names.insert(*name) {
            mistakes.push(format!("{name} is there twice"));
        }
        let is_name =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            mistakes.push(format!("{name} is no name of lower-case letters"));
        }
        for (suffix, owner) in [("_total", Kind::Counter), ("_info", Kind::Info)] {
            if name.ends_with(suffix) != (*kind == owner) {
                let kind = kind.as_str();
                mistakes.push(format!(
                    "{name} is a {kind}, and only a {} ends in {suffix}",
                    owner.as_str()
                ));
            }
        }
        if help.is_empty() || help.ends_with('.') {
            mistakes.push(format!("{name} has no help, or one that ends in a full stop"));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Family = Family::counter("shop_orders_total", "Orders taken");

    #[test]
    fn a_metric_that_nobody_could_work_with_is_told_at_the_start() {
        let complain = |families: &'static [Family]| {
            let collector = move |page: &mut Page| {
                for family in families {
                    page.family(family);
                }
            };
            Registry::new(vec![Arc::new(collector)]).err().unwrap_or_default()
        };
        assert_eq!(complain(&[GOOD]), "");
        assert_eq!(complain(&[GOOD, GOOD]), "shop_orders_total is there twice");
        assert_eq!(
            complain(const { &[Family::gauge("shop_orders_total", "Orders")] }),
            "shop_orders_total is a gauge, and only a counter ends in _total"
        );
        assert_eq!(
            complain(const { &[Family::counter("shop_orders", "Orders")] }),
            "shop_orders is a counter, and only a counter ends in _total"
        );
        assert!(complain(const { &[Family::gauge("Shop-orders", "Orders")] }).contains("no name"));
        assert!(complain(const { &[Family::gauge("shop_orders", "")] }).contains("no help"));
    }
}
