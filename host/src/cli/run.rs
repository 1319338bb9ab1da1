//! `uprobed run`: the same path as `trace`, as a daemon that a file configures.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, de::IgnoredAny};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use uprobed::{discovery::Selector, export::collector::Endpoint, probes};

use super::{
    exit::Failure,
    output,
    settings::{self, Source},
    watch::Watch,
};

#[derive(Args)]
pub struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/uprobed/uprobed.toml")]
    config: PathBuf,
    /// More settings for the plugins, in a file of their own; they win over those of the configuration
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// What stands beside the settings in the configuration.
const BESIDE: &[&str] = &["plugins", "select", "export"];

/// `uprobed.toml`.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Configuration {
    /// Where the plugins are.
    plugins: Option<PathBuf>,
    #[serde(default)]
    select: Select,
    #[serde(default)]
    export: Export,
    /// What is set for the plugins: read apart, once they are known.
    #[serde(default, rename = "settings")]
    _settings: IgnoredAny,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Select {
    /// Globs over the executables' paths.
    #[serde(default)]
    executables: Vec<String>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Export {
    /// `http://HOST:4318` or `grpc://HOST:4317`; without it the standard `OTEL_EXPORTER_OTLP_*` variables count.
    otlp: Option<String>,
}

impl Configuration {
    fn read(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

impl Arguments {
    pub fn run(self) -> Result<u8> {
        let shown = self.config.display();
        let wrong = |error: String| Failure::Configuration(format!("{shown}: {error}"));
        let text = fs::read_to_string(&self.config).map_err(|error| wrong(error.to_string()))?;
        let configuration =
            Configuration::read(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        let globs = &configuration.select.executables;
        if globs.is_empty() {
            return Err(wrong("select.executables names no executable".into()).into());
        }
        let selectors = globs.iter().map(|glob| Selector::glob(glob)).collect::<Result<Vec<_>>>();
        let selectors = selectors.map_err(|error| wrong(format!("select.executables: {error:#}")))?;
        let endpoint = match &configuration.export.otlp {
            Some(url) => Some(Endpoint::parse(url)),
            None => Endpoint::from_environment().transpose(),
        };
        let endpoint = endpoint.transpose().map_err(|error| wrong(format!("export.otlp: {error:#}")))?;
        let Some(endpoint) = endpoint else {
            return Err(wrong("no exporter: set export.otlp or OTEL_EXPORTER_OTLP_ENDPOINT".into()).into());
        };
        probes::check()?;
        let mut sources = vec![Source { path: &self.config, text, beside: BESIDE }];
        sources.extend(self.settings.as_deref().map(Source::read).transpose()?);
        let plugins = settings::load(configuration.plugins.as_deref(), &sources)?;
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().context("start the runtime")?;
        runtime.block_on(async {
            let sinks = output::sinks(None, None, Some(&endpoint))?;
            serve(Watch::start(plugins, selectors, sinks)?).await
        })
    }
}

async fn serve(mut watch: Watch) -> Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
    watch.scan()?;
    loop {
        tokio::select! {
            result = watch.step() => result?,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    let summary = watch.finish().await?;
    summary.print();
    summary.failure().map_or(Ok(0), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_documentation_shows() {
        let text =
            "plugins = \"/p\"\n[select]\nexecutables = [\"/srv/*\"]\n[export]\notlp = \"grpc://127.0.0.1:4317\"\n";
        let read = Configuration::read(text).unwrap();
        assert_eq!(read.select.executables, ["/srv/*"]);
        assert_eq!(read.export.otlp.as_deref(), Some("grpc://127.0.0.1:4317"));
    }

    #[test]
    fn leaves_settings_to_the_plugins() {
        let text = "plugins = \"/p\"\n[select]\n[export]\n[settings.shop]\nprices = 1\n";
        assert!(Configuration::read(text).is_ok());
        let problems = uprobed::settings::Settings::read(text, BESIDE, &[]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].to_string(), "4:11: settings.shop: no such plugin; there is none");
    }

    #[test]
    fn refuses_an_unknown_key_with_its_place() {
        let error = Configuration::read("[select]\nexecutable = []\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("unknown field `executable`"), "{error}");
    }
}
