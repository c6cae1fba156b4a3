//! The command line: options of the service and parameters of a component.

use std::collections::BTreeMap;

/// Ends the program with a message for the person who typed the command.
pub fn fail(message: &str) -> ! {
    eprintln!("service: {message}");
    std::process::exit(2)
}

/// A number with an optional suffix: `k` = 1024, `m` = 1024², `g` = 1024³.
fn number(text: &str) -> f64 {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1024.0),
        Some(b'm') => (&text[..text.len() - 1], 1_048_576.0),
        Some(b'g') => (&text[..text.len() - 1], 1_073_741_824.0),
        _ => (text, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(value) => value * factor,
        Err(_) => fail(&format!("{text:?} is not a number")),
    }
}

/// The parameters of one component, `name:key=value,key=value`.
pub struct Parameters {
    pub name: String,
    values: BTreeMap<String, String>,
}

impl Parameters {
    pub fn parse(text: &str) -> Self {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut values = BTreeMap::new();
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((key, value)) => values.insert(key.to_string(), value.to_string()),
                None => fail(&format!("{pair:?} in {text:?} is not key=value")),
            };
        }
        Self { name: name.to_string(), values }
    }

    pub fn text(&mut self, key: &str, default: &str) -> String {
        self.values.remove(key).unwrap_or_else(|| default.to_string())
    }

    pub fn float(&mut self, key: &str, default: f64) -> f64 {
        self.values.remove(key).map_or(default, |text| number(&text))
    }

    pub fn whole(&mut self, key: &str, default: u64) -> u64 {
        self.float(key, default as f64) as u64
    }

    /// Refuses parameters that nobody asked for, so that a typing error is not silence.
    pub fn finish(self) {
        if let Some(key) = self.values.keys().next() {
            fail(&format!("component {:?} has no parameter {key:?}", self.name));
        }
    }
}

/// The options of the whole service.
pub struct Options {
    pub seed: u64,
    pub epoch: f64,
    pub version: u64,
    pub replica: u64,
    pub directory: String,
    pub shared: String,
    pub stats: String,
    pub stats_every: u64,
    pub stats_json: bool,
}

impl Options {
    /// Splits the command line into options and component texts.
    pub fn parse(mut words: impl Iterator<Item = String>) -> (Self, Vec<String>) {
        let mut options = Self {
            seed: 1,
            epoch: 0.0,
            version: 1,
            replica: 0,
            directory: ".".to_string(),
            shared: "/dev/shm".to_string(),
            stats: String::new(),
            stats_every: 0,
            stats_json: false,
        };
        let mut components = Vec::new();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                components.push(word);
                continue;
            };
            let Some(value) = words.next() else {
                fail(&format!("--{name} needs a value"));
            };
            match name {
                "seed" => options.seed = number(&value) as u64,
                "epoch" => options.epoch = number(&value),
                "version" => options.version = number(&value) as u64,
                "replica" => options.replica = number(&value) as u64,
                "directory" => options.directory = value,
                "shared" => options.shared = value,
                "stats" => options.stats = value,
                "stats-every" => options.stats_every = number(&value) as u64,
                "stats-form" => options.stats_json = value == "json",
                _ => fail(&format!("no option is called --{name}")),
            }
        }
        (options, components)
    }
}
