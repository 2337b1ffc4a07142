//! A picture of a market's day: the price as a line over the traded energy as bars. Text in SVG, readable on light and
//! dark ground, without any arithmetic but on whole numbers.

use m2m_auction::PricePerKwh;
use std::fmt::Write;

/// A slot of the day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChartSlot {
	/// When it begins, such as `12:15`.
	pub label: String,
	/// The price per kWh; `None` if nothing was traded.
	pub price: Option<PricePerKwh>,
	/// Wh that were traded.
	pub volume_wh: u128,
}

/// A day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chart {
	/// What is shown.
	pub title: String,
	/// A line below it.
	pub subtitle: String,
	/// The utility's price per kWh: the upper dashed line.
	pub retail: PricePerKwh,
	/// What the utility pays per kWh: the lower dashed line.
	pub feed_in: PricePerKwh,
	/// The slots in order of time.
	pub slots: Vec<ChartSlot>,
}

/// Positions are in tenths of a pixel, so that bars of many slots still differ.
const TENTHS: u128 = 10;
const WIDTH: u128 = 9_600;
const HEIGHT: u128 = 4_800;
const LEFT: u128 = 700;
const RIGHT: u128 = 8_900;
const TOP: u128 = 900;
const BOTTOM: u128 = 3_900;
/// Lines across the picture, besides the one at the bottom.
const DIVISIONS: u128 = 5;
/// Labels of times, about as many as fit.
const TIME_LABELS: usize = 12;
/// Smallest units in a cent, a hundredth of M2M.
const CENT: u128 = 10_000_000_000;

const STYLE: &str = "\
svg{font-family:system-ui,sans-serif;font-size:12px;background:#fff;color:#1f2328}\
text{fill:#1f2328}.muted{fill:#59636e}.grid{stroke:#d1d9e0;stroke-width:1}\
.bar{fill:#8cc4f0}.price{fill:none;stroke:#b35900;stroke-width:2.5;stroke-linejoin:round}.dot{fill:#b35900}\
.tariff{stroke:#59636e;stroke-width:1.5;stroke-dasharray:6 4}.title{font-size:16px;font-weight:600}\
@media(prefers-color-scheme:dark){svg{background:#0d1117;color:#f0f6fc}text{fill:#f0f6fc}.muted{fill:#9198a1}\
.grid{stroke:#3d444d}.bar{fill:#1f5f99}.price{stroke:#ffa657}.dot{fill:#ffa657}.tariff{stroke:#9198a1}}";

impl Chart {
	/// The picture.
	pub fn to_svg(&self) -> String {
		let highest = self.slots.iter().filter_map(|slot| slot.price).max();
		let price_top = axis_top(highest.unwrap_or_default().max(self.retail), CENT);
		let volume_top = axis_top(
			self.slots
				.iter()
				.map(|slot| slot.volume_wh)
				.max()
				.unwrap_or_default(),
			1,
		);
		let mut svg = String::new();
		// Writing to a string cannot fail.
		let _ = write!(
			svg,
			"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\">\n\
			<title>{title}</title>\n<style>{STYLE}</style>\n\
			<text x=\"{left}\" y=\"28\" class=\"title\">{title}</text>\n\
			<text x=\"{left}\" y=\"48\" class=\"muted\">{subtitle}</text>\n",
			w = place(WIDTH),
			h = place(HEIGHT),
			left = place(LEFT),
			title = escape(&self.title),
			subtitle = escape(&self.subtitle),
		);
		self.axes(&mut svg, price_top, volume_top);
		self.bars(&mut svg, volume_top);
		for (name, price) in [("retail", self.retail), ("feed-in", self.feed_in)] {
			let y = height(price, price_top);
			let _ = writeln!(
				svg,
				"<line class=\"tariff\" x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\n\
				<text class=\"muted\" x=\"{}\" y=\"{}\">{name} {}</text>",
				place(LEFT),
				place(RIGHT),
				place(LEFT.saturating_add(60)),
				place(y.saturating_sub(50)),
				cents(price),
				y = place(y),
			);
		}
		self.price_line(&mut svg, price_top);
		self.legend(&mut svg);
		svg.push_str("</svg>\n");
		svg
	}

	/// Left edge of a slot.
	fn edge(&self, slot: usize) -> u128 {
		let across = (RIGHT - LEFT).saturating_mul(slot as u128);
		LEFT.saturating_add(across.checked_div(self.slots.len() as u128).unwrap_or_default())
	}

	/// Middle of a slot.
	fn middle(&self, slot: usize) -> u128 {
		self.edge(slot).midpoint(self.edge(slot.saturating_add(1)))
	}

	fn axes(&self, svg: &mut String, price_top: u128, volume_top: u128) {
		for division in 0..=DIVISIONS {
			let y = place(height(division, DIVISIONS));
			let part = |top: u128| top.saturating_mul(division) / DIVISIONS;
			let _ = writeln!(
				svg,
				"<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\n\
				<text class=\"muted\" x=\"{}\" y=\"{y}\" dy=\"4\" text-anchor=\"end\">{}</text>\n\
				<text class=\"muted\" x=\"{}\" y=\"{y}\" dy=\"4\">{}</text>",
				place(LEFT),
				place(RIGHT),
				place(LEFT.saturating_sub(80)),
				cents(part(price_top)),
				place(RIGHT.saturating_add(80)),
				kwh(part(volume_top)),
			);
		}
		let _ = writeln!(
			svg,
			"<text class=\"muted\" x=\"{}\" y=\"{y}\" text-anchor=\"end\">cent/kWh</text>\n\
			<text class=\"muted\" x=\"{}\" y=\"{y}\">kWh</text>",
			place(LEFT.saturating_sub(80)),
			place(RIGHT.saturating_add(80)),
			y = place(TOP.saturating_sub(160)),
		);
		let every = self.slots.len().div_ceil(TIME_LABELS).max(1);
		for (index, slot) in self.slots.iter().enumerate().step_by(every) {
			let _ = writeln!(
				svg,
				"<text class=\"muted\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
				place(self.middle(index)),
				place(BOTTOM.saturating_add(200)),
				escape(&slot.label),
			);
		}
	}

	fn bars(&self, svg: &mut String, volume_top: u128) {
		for (index, slot) in self
			.slots
			.iter()
			.enumerate()
			.filter(|(_, slot)| slot.volume_wh > 0)
		{
			let (from, to) = (self.edge(index), self.edge(index.saturating_add(1)));
			let wide = to.saturating_sub(from);
			let gap = wide / 10;
			let top = height(slot.volume_wh, volume_top);
			let _ = writeln!(
				svg,
				"<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} {} kWh</title></rect>",
				place(from.saturating_add(gap)),
				place(top),
				place(wide.saturating_sub(gap.saturating_mul(2))),
				place(BOTTOM.saturating_sub(top)),
				escape(&slot.label),
				kwh(slot.volume_wh),
			);
		}
	}

	/// A line through neighbouring slots with a price, and a dot at each, so that one alone is seen.
	fn price_line(&self, svg: &mut String, price_top: u128) {
		let mut dots = String::new();
		let numbered: Vec<(usize, &ChartSlot)> = self.slots.iter().enumerate().collect();
		for run in numbered.chunk_by(|(_, one), (_, next)| one.price.is_some() == next.price.is_some()) {
			let mut points = Vec::new();
			for (index, slot) in run {
				let Some(price) = slot.price else { continue };
				let (x, y) = (place(self.middle(*index)), place(height(price, price_top)));
				let _ = writeln!(
					dots,
					"<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"3\"><title>{} {} cent/kWh</title></circle>",
					escape(&slot.label),
					cents(price),
				);
				points.push(format!("{x},{y}"));
			}
			if points.len() > 1 {
				let _ = writeln!(svg, "<polyline class=\"price\" points=\"{}\"/>", points.join(" "));
			}
		}
		svg.push_str(&dots);
	}

	fn legend(&self, svg: &mut String) {
		let y = BOTTOM.saturating_add(550);
		let at = |column: u128| LEFT.saturating_add(column.saturating_mul(2_600));
		let mark = |column: u128| (place(at(column)), place(at(column).saturating_add(240)));
		let (left, right) = mark(0);
		let _ = writeln!(
			svg,
			"<line class=\"price\" x1=\"{left}\" x2=\"{right}\" y1=\"{0}\" y2=\"{0}\"/>",
			place(y)
		);
		let (left, _) = mark(1);
		let _ = writeln!(
			svg,
			"<rect class=\"bar\" x=\"{left}\" y=\"{}\" width=\"24\" height=\"12\"/>",
			place(y.saturating_sub(60))
		);
		let (left, right) = mark(2);
		let _ = writeln!(
			svg,
			"<line class=\"tariff\" x1=\"{left}\" x2=\"{right}\" y1=\"{0}\" y2=\"{0}\"/>",
			place(y)
		);
		let words = [
			"market price, cent/kWh".to_owned(),
			"energy traded in the slot, kWh".to_owned(),
			"what the utility charges and pays".to_owned(),
		];
		for (column, words) in (0u128..).zip(words) {
			let _ = writeln!(
				svg,
				"<text x=\"{}\" y=\"{}\" dy=\"4\">{}</text>",
				place(at(column).saturating_add(320)),
				place(y),
				escape(&words),
			);
		}
	}
}

/// Where a value lies between the bottom (0) and the top of the plot.
fn height(value: u128, top: u128) -> u128 {
	let up = (BOTTOM - TOP).saturating_mul(value.min(top)).checked_div(top);
	BOTTOM.saturating_sub(up.unwrap_or_default())
}

/// The smallest of 1, 2, 4, 6, 10, 20, 40, ... times `unit` times [`DIVISIONS`] that is not below `value`, so that every
/// line across stands for a short number.
fn axis_top(value: u128, unit: u128) -> u128 {
	let mut decade = unit.saturating_mul(DIVISIONS);
	loop {
		for factor in [1, 2, 4, 6] {
			let top = decade.saturating_mul(factor);
			if top >= value {
				return top;
			}
		}
		decade = decade.saturating_mul(10);
	}
}

/// Tenths of a pixel as pixels.
fn place(tenths: u128) -> String {
	match tenths % TENTHS {
		0 => (tenths / TENTHS).to_string(),
		rest => format!("{}.{rest}", tenths / TENTHS),
	}
}

/// A price in hundredths of M2M, rounded down to a tenth of them.
fn cents(price: PricePerKwh) -> String {
	format!("{}.{}", price / CENT, price % CENT / (CENT / 10))
}

/// Wh as kWh.
fn kwh(wh: u128) -> String {
	let text = format!("{}.{:03}", wh / 1_000, wh % 1_000);
	let short = text.trim_end_matches('0').trim_end_matches('.');
	short.to_owned()
}

/// Text as it stands in XML.
fn escape(text: &str) -> String {
	let mut escaped = String::with_capacity(text.len());
	for character in text.chars() {
		match character {
			'&' => escaped.push_str("&amp;"),
			'<' => escaped.push_str("&lt;"),
			'>' => escaped.push_str("&gt;"),
			'"' => escaped.push_str("&quot;"),
			'\'' => escaped.push_str("&#39;"),
			// XML has no place for them.
			character if character.is_control() => escaped.push(' '),
			character => escaped.push(character),
		}
	}
	escaped
}

#[cfg(test)]
mod tests {
	use super::*;

	fn chart(slots: &[(Option<PricePerKwh>, u128)]) -> Chart {
		Chart {
			title: "A day".into(),
			subtitle: "of 3 homes".into(),
			retail: 30 * CENT,
			feed_in: 8 * CENT,
			slots: (0..)
				.zip(slots)
				.map(|(number, (price, volume_wh)): (u32, _)| ChartSlot {
					label: format!("{:02}:{:02}", number / 4, number % 4 * 15),
					price: *price,
					volume_wh: *volume_wh,
				})
				.collect(),
		}
	}

	/// Every element is closed, and every position is a number inside the picture.
	fn check(svg: &str) {
		for element in ["svg", "text", "title", "rect", "circle", "line", "style"] {
			let opened =
				svg.matches(&format!("<{element} ")).count() + svg.matches(&format!("<{element}>")).count();
			let closed = svg.matches(&format!("</{element}>")).count();
			let empty = svg
				.split('<')
				.filter(|part| part.starts_with(&format!("{element} ")) && part.trim_end().ends_with("/>"))
				.count();
			assert_eq!(opened, closed + empty, "{element} in {svg}");
		}
		for name in ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"] {
			for rest in svg.split(&format!(" {name}=\"")).skip(1) {
				let number = rest.split('"').next().unwrap();
				let pixels: f64 = number.parse().unwrap_or_else(|_| panic!("{name} is {number}"));
				assert!((0.0..=960.0).contains(&pixels), "{name} is {number}");
			}
		}
	}

	#[test]
	fn a_day_without_any_trade_is_drawn() {
		for slots in [&[][..], &[(None, 0); 96]] {
			let svg = chart(slots).to_svg();
			check(&svg);
			assert!(!svg.contains("<polyline") && !svg.contains("<circle"), "{svg}");
			assert_eq!(svg.matches("class=\"tariff\"").count(), 3);
		}
	}

	#[test]
	fn a_single_slot_is_a_dot_over_a_bar() {
		let svg = chart(&[(Some(15 * CENT), 1_250)]).to_svg();
		check(&svg);
		assert_eq!(
			(svg.matches("<circle").count(), svg.matches("<polyline").count()),
			(1, 0)
		);
		// Half of the price axis, which ends at the retail tariff of 30 cent.
		assert!(svg.contains("cy=\"240\""), "{svg}");
		assert!(
			svg.contains("00:00 15.0 cent/kWh") && svg.contains("00:00 1.25 kWh"),
			"{svg}"
		);
	}

	#[test]
	fn the_line_is_interrupted_where_nothing_was_traded() {
		let slots: Vec<_> = (0..96)
			.map(|number| match number {
				0..=9 | 40 | 90..=95 => (Some((10 + number / 8) * CENT), 100 * number),
				_ => (None, 0),
			})
			.collect();
		let svg = chart(&slots).to_svg();
		check(&svg);
		assert_eq!(svg.matches("<polyline").count(), 2);
		assert_eq!(svg.matches("<circle").count(), 17);
		// Slot 0 has a price but no energy.
		assert_eq!(svg.matches("<rect class=\"bar\"").count(), 17);
		assert!(svg.matches("text-anchor=\"middle\"").count() <= TIME_LABELS);
	}

	#[test]
	fn axes_end_at_round_numbers() {
		for (value, top) in [
			(0, 5),
			(5, 5),
			(6, 10),
			(11, 20),
			(26, 30),
			(31, 50),
			(51, 100),
			(9_472, 10_000),
		] {
			assert_eq!(axis_top(value, 1), top);
		}
		assert_eq!(axis_top(30 * CENT, CENT), 30 * CENT);
		assert_eq!(axis_top(u128::MAX, 1), u128::MAX);
	}

	#[test]
	fn the_largest_numbers_stay_inside_the_picture() {
		check(&chart(&[(Some(u128::MAX), u128::MAX), (Some(0), 1)]).to_svg());
	}

	#[test]
	fn names_cannot_break_the_picture() {
		let mut chart = chart(&[(Some(CENT), 1)]);
		chart.title = "<script>alert(\"1\")</script> & 'more'\u{7}".into();
		let svg = chart.to_svg();
		check(&svg);
		assert!(
			svg.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39; "),
			"{svg}"
		);
	}
}
