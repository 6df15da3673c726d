//! Pictures of the goods, drawn in SVG: no files to ship, sharp at every size.

/// The picture of one product, or `None` for a product that we do not know.
pub(super) fn draw(id: &str) -> Option<String> {
    let (from, to, body) = match id {
        "regulator" => ("#f3e3cf", "#d9b98c", regulator()),
        "station" => ("#e7ecf3", "#b9c6d8", station()),
        "kitchen" => ("#e2f1ec", "#a9d3c5", kitchen()),
        "cuckoo" => ("#eaf0dc", "#bdcf95", cuckoo()),
        "alarm" => ("#fde7dc", "#f3b79b", alarm()),
        "field" => ("#ecebdf", "#c5c3a3", field()),
        "diver" => ("#dcebf7", "#93bfe0", diver()),
        "pocket" => ("#ede7f3", "#c3b3d8", pocket()),
        "hourglass" => ("#fbeedb", "#eccb95", HOURGLASS.into()),
        "sundial" => ("#fdf3d3", "#f0d67f", SUNDIAL.into()),
        "metronome" => ("#f6e2da", "#dba68e", METRONOME.into()),
        "loupe" => ("#e4e9ee", "#aebcc9", LOUPE.into()),
        "drivers" => ("#e9e6f2", "#b8afd2", drivers()),
        "movement" => ("#f4ead2", "#d8bd7c", movement()),
        "timer" => ("#fbe3e3", "#eea9a9", TIMER.into()),
        "gear" => ("#e5ddd3", "#b59f86", tower_gear()),
        _ => return None,
    };
    Some(format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 240 240' role='img'>\
         <defs><radialGradient id='g' cx='.5' cy='.38' r='.8'><stop offset='0' \
         stop-color='{from}'/><stop offset='1' stop-color='{to}'/></radialGradient></defs>\
         <rect width='240' height='240' fill='url(#g)'/>\
         <ellipse cx='120' cy='216' rx='72' ry='9' fill='#000' opacity='.13'/>{body}</svg>"
    ))
}

/// The marks of a dial: `count` bars from `inner` to `outer` around a centre.
fn marks(centre: (f64, f64), count: u32, inner: f64, outer: f64, style: &str) -> String {
    let mut path = String::new();
    for mark in 0..count {
        let turn = f64::from(mark) / f64::from(count) * std::f64::consts::TAU;
        let (sin, cos) = turn.sin_cos();
        path.push_str(&format!(
            "M{:.1} {:.1}L{:.1} {:.1}",
            centre.0 + sin * inner,
            centre.1 - cos * inner,
            centre.0 + sin * outer,
            centre.1 - cos * outer
        ));
    }
    format!("<path d='{path}' fill='none' {style}/>")
}

/// One hand of a clock, `degrees` from twelve.
fn hand(centre: (f64, f64), degrees: f64, length: f64, style: &str) -> String {
    let (sin, cos) = degrees.to_radians().sin_cos();
    format!(
        "<line x1='{:.1}' y1='{:.1}' x2='{:.1}' y2='{:.1}' stroke-linecap='round' {style}/>",
        centre.0 - sin * length * 0.16,
        centre.1 + cos * length * 0.16,
        centre.0 + sin * length,
        centre.1 - cos * length
    )
}

/// A plain dial with two hands at ten past ten.
fn dial(centre: (f64, f64), radius: f64, fill: &str, ink: &str) -> String {
    let (x, y) = centre;
    let wide = format!("stroke='{ink}' stroke-width='{:.1}'", radius * 0.07);
    let thin = format!("stroke='{ink}' stroke-width='{:.1}'", radius * 0.03);
    [
        format!("<circle cx='{x}' cy='{y}' r='{radius}' fill='{fill}'/>"),
        marks(centre, 12, radius * 0.76, radius * 0.9, &wide),
        marks(centre, 60, radius * 0.86, radius * 0.9, &thin),
        hand(centre, 305.0, radius * 0.48, &wide),
        hand(centre, 60.0, radius * 0.68, &wide),
        format!("<circle cx='{x}' cy='{y}' r='{:.1}' fill='{ink}'/>", radius * 0.07),
    ]
    .concat()
}

fn regulator() -> String {
    let case = "<path d='M78 20h84l10 16v162l-10 14H78l-10-14V36z' fill='#8a5a33'/>\
                <path d='M84 30h72l8 12v150l-8 10H84l-8-10V42z' fill='#a9733f'/>\
                <rect x='92' y='122' width='56' height='68' rx='3' fill='#3d2817'/>\
                <line x1='120' y1='122' x2='128' y2='166' stroke='#d8b04c' stroke-width='3'/>\
                <circle cx='129' cy='170' r='13' fill='#e6c25a'/>\
                <circle cx='126' cy='167' r='5' fill='#f6e2a0'/>";
    format!("{case}{}", dial((120.0, 78.0), 38.0, "#fffaf0", "#3a2a1c"))
}

fn station() -> String {
    let centre = (120.0, 116.0);
    [
        "<circle cx='120' cy='116' r='88' fill='#5d6875'/>\
         <circle cx='120' cy='116' r='80' fill='#fdfefe'/>"
            .to_string(),
        marks(centre, 60, 70.0, 75.0, "stroke='#15191e' stroke-width='2'"),
        marks(centre, 12, 57.0, 75.0, "stroke='#15191e' stroke-width='6'"),
        hand(centre, 305.0, 44.0, "stroke='#15191e' stroke-width='9'"),
        hand(centre, 54.0, 66.0, "stroke='#15191e' stroke-width='7'"),
        hand(centre, 200.0, 50.0, "stroke='#d8261c' stroke-width='3'"),
        "<circle cx='103' cy='163' r='8' fill='#d8261c'/>".to_string(),
    ]
    .concat()
}

fn kitchen() -> String {
    let plate = "<rect x='44' y='38' width='152' height='152' rx='44' fill='#2f8d75'/>\
                 <rect x='52' y='44' width='136' height='136' rx='38' fill='#3ba78b'/>";
    format!("{plate}{}", dial((120.0, 113.0), 58.0, "#fbfffd", "#1f5144"))
}

fn cuckoo() -> String {
    let house = "<path d='M72 96v78h96V96z' fill='#8b5e3c'/>\
                 <path d='M56 104 120 40l64 64-12 8-52-50-52 50z' fill='#5f7f3a'/>\
                 <circle cx='120' cy='84' r='12' fill='#3a2617'/>\
                 <path d='M112 84c6-9 16-6 18 0l9 2-9 3c-4 5-14 5-18-5z' fill='#e8b83f'/>\
                 <path d='M98 174v26M142 174v34' stroke='#7a6a55' stroke-width='2'/>\
                 <ellipse cx='98' cy='204' rx='6' ry='11' fill='#5b3f28'/>\
                 <ellipse cx='142' cy='212' rx='6' ry='11' fill='#5b3f28'/>";
    format!("{house}{}", dial((120.0, 136.0), 30.0, "#f7ead2", "#4a2f1b"))
}

fn alarm() -> String {
    let body = "<path d='M76 196l14-22M164 196l-14-22' stroke='#7c2f1c' stroke-width='9' \
                stroke-linecap='round'/><path d='M58 74a30 30 0 0 1 46-26z' fill='#e0704b'/>\
                <path d='M182 74a30 30 0 0 0-46-26z' fill='#e0704b'/>\
                <rect x='116' y='34' width='8' height='22' rx='4' fill='#7c2f1c'/>\
                <circle cx='120' cy='124' r='70' fill='#c9502e'/>";
    format!("{body}{}", dial((120.0, 124.0), 56.0, "#fff8f2", "#3b1b12"))
}

fn strap(colour: &str) -> String {
    format!(
        "<path d='M94 12h52l6 60H88z' fill='{colour}'/><path d='M88 168h64l-6 60H94z' \
         fill='{colour}'/><path d='M120 20v40M120 182v38' stroke='#fff' opacity='.25' \
         stroke-width='2' stroke-dasharray='4 4'/>"
    )
}

fn field() -> String {
    let case = "<circle cx='120' cy='120' r='62' fill='#b9bcc0'/>\
                <rect x='180' y='112' width='12' height='16' rx='3' fill='#9a9da2'/>";
    let face = dial((120.0, 120.0), 53.0, "#23291f", "#e9e4c8");
    format!("{}{case}{face}", strap("#6c6f45"))
}

fn diver() -> String {
    let case = "<circle cx='120' cy='120' r='66' fill='#aeb8c2'/>\
                <circle cx='120' cy='120' r='60' fill='#123a5c'/>\
                <rect x='184' y='111' width='12' height='18' rx='3' fill='#8d98a3'/>";
    let bezel = marks((120.0, 120.0), 24, 52.0, 57.0, "stroke='#dfeaf3' stroke-width='2.5'");
    let face = dial((120.0, 120.0), 47.0, "#0a1c2c", "#d9f5e4");
    format!("{}{case}{bezel}{face}", strap("#1d2b38"))
}

fn pocket() -> String {
    let case = "<path d='M120 44c-40-30-86-8-92 28' fill='none' stroke='#b9bec8' \
                stroke-width='5' stroke-dasharray='7 4'/>\
                <circle cx='120' cy='40' r='13' fill='none' stroke='#a5abb8' stroke-width='5'/>\
                <rect x='112' y='50' width='16' height='14' rx='3' fill='#8f96a5'/>\
                <circle cx='120' cy='132' r='72' fill='#c7ccd6'/>\
                <circle cx='120' cy='132' r='65' fill='#aab1bf'/>";
    format!("{case}{}", dial((120.0, 132.0), 58.0, "#fdfbff", "#33294a"))
}

fn drivers() -> String {
    let colours = ["#d64545", "#e39a2d", "#d8c534", "#57a05a", "#3f84c6", "#6a55b3"];
    let mut body = String::new();
    for (index, colour) in (0_u32..).zip(colours) {
        let x = 52 + index * 25;
        let height = 62 + index * 4;
        body.push_str(&format!(
            "<rect x='{}' y='{}' width='4' height='{height}' fill='#8c93a0'/>\
             <rect x='{x}' y='{}' width='14' height='66' rx='5' fill='#cdd2db'/>\
             <rect x='{x}' y='{}' width='14' height='13' rx='5' fill='{colour}'/>",
            x + 5,
            186 - height,
            186 - height - 62,
            186 - height - 66,
        ));
    }
    body + "<rect x='36' y='176' width='168' height='34' rx='8' fill='#4b4263'/>"
}

/// A toothed wheel: a thick dashed ring gives the teeth.
fn wheel(centre: (f64, f64), radius: f64, teeth: u32, colour: &str) -> String {
    let (x, y) = centre;
    let teeth = marks(
        centre,
        teeth,
        radius * 0.9,
        radius * 1.12,
        &format!("stroke='{colour}' stroke-width='{:.1}'", radius * 3.2 / f64::from(teeth)),
    );
    let spokes = marks(
        centre,
        5,
        radius * 0.2,
        radius * 0.84,
        &format!("stroke='{colour}' stroke-width='{:.1}'", radius * 0.12),
    );
    format!(
        "{teeth}<circle cx='{x}' cy='{y}' r='{:.1}' fill='none' stroke='{colour}' \
         stroke-width='{:.1}'/>{spokes}<circle cx='{x}' cy='{y}' r='{:.1}' fill='{colour}'/>",
        radius * 0.84,
        radius * 0.17,
        radius * 0.2
    )
}

fn movement() -> String {
    [
        "<circle cx='120' cy='118' r='92' fill='#efe0b8'/><circle cx='120' cy='118' r='92' \
         fill='none' stroke='#b08d3e' stroke-width='4'/>"
            .to_string(),
        wheel((92.0, 96.0), 40.0, 24, "#b3862f"),
        wheel((154.0, 100.0), 26.0, 16, "#8d97a4"),
        wheel((126.0, 162.0), 30.0, 18, "#c79a3d"),
        "<circle cx='92' cy='96' r='4' fill='#c62f4c'/><circle cx='154' cy='100' r='3' \
         fill='#c62f4c'/><circle cx='126' cy='162' r='3.5' fill='#c62f4c'/>"
            .to_string(),
    ]
    .concat()
}

fn tower_gear() -> String {
    let shadow = wheel((124.0, 122.0), 72.0, 28, "#5b4630");
    let gear = wheel((120.0, 116.0), 72.0, 28, "#a97f45");
    format!("{shadow}{gear}<circle cx='120' cy='116' r='7' fill='#3b2c1d'/>")
}

const HOURGLASS: &str = "<rect x='66' y='26' width='108' height='16' rx='6' fill='#8c5a2e'/>\
    <rect x='66' y='196' width='108' height='16' rx='6' fill='#8c5a2e'/>\
    <path d='M76 42v154M164 42v154' stroke='#a8713d' stroke-width='7'/>\
    <path d='M86 42h68c0 44-26 58-26 77s26 33 26 77H86c0-44 26-58 26-77s-26-33-26-77z' \
    fill='#f3fbff' opacity='.85'/><path d='M95 78h50c-6 18-17 26-19 38h-12c-2-12-13-20-19-38z' \
    fill='#e0a83c'/><path d='M118.500 116h3v60h-3z' fill='#e0a83c'/>\
    <path d='M90 196c4-18 20-26 30-30 10 4 26 12 30 30z' fill='#e0a83c'/>";

const SUNDIAL: &str = "<path d='M96 136h48l10 74H86z' fill='#b9b2a3'/>\
    <path d='M80 206h80v10H80z' fill='#9c9585'/><ellipse cx='120' cy='132' rx='84' ry='30' \
    fill='#7d8f6a'/><ellipse cx='120' cy='126' rx='84' ry='30' fill='#a0b088'/>\
    <path d='M120 126 56 118M120 126 66 140M120 126 100 154M120 126 142 154M120 126 176 140' \
    stroke='#5d6b4a' stroke-width='3'/><path d='M120 126 112 62l44 60z' fill='#c58f3a'/>\
    <path d='M120 126l36-4 26 20z' fill='#3d4733' opacity='.5'/>\
    <circle cx='190' cy='46' r='20' fill='#f6b73c'/>";

const METRONOME: &str = "<path d='M98 30h44l34 180H64z' fill='#8e3f25'/>\
    <path d='M104 46h32l24 122H80z' fill='#b4573a'/><path d='M110 56h20l16 104H94z' \
    fill='#f5e6d8'/><path d='M110 72h20M108 88h24M105 104h30M102 120h36M99 136h42' \
    stroke='#b09a86' stroke-width='2'/><line x1='120' y1='170' x2='152' y2='44' \
    stroke='#4a4f58' stroke-width='5' stroke-linecap='round'/>\
    <path d='M134 74l24 6-4 18-24-6z' fill='#d7b14b'/><rect x='60' y='180' width='120' \
    height='30' rx='4' fill='#6f2f1b'/><circle cx='120' cy='195' r='7' fill='#d7b14b'/>";

const LOUPE: &str = "<path d='M150 150l46 46' stroke='#3c4650' stroke-width='18' \
    stroke-linecap='round'/><circle cx='108' cy='106' r='66' fill='#2f3943'/>\
    <circle cx='108' cy='106' r='54' fill='#dff1fb'/><circle cx='108' cy='106' r='54' \
    fill='none' stroke='#8fa3b3' stroke-width='4'/><path d='M74 92a40 40 0 0 1 34-28' \
    fill='none' stroke='#fff' stroke-width='8' stroke-linecap='round'/>\
    <path d='M96 128l12-34 14 34' fill='none' stroke='#b3862f' stroke-width='5'/>\
    <circle cx='108' cy='92' r='6' fill='#c62f4c'/>";

const TIMER: &str = "<ellipse cx='120' cy='150' rx='70' ry='58' fill='#fdfdfb'/>\
    <path d='M56 140h128' stroke='#c94a4a' stroke-width='4'/>\
    <path d='M64 138c0-50 30-86 56-86s56 36 56 86z' fill='#f4efe6'/>\
    <path d='M104 50c-8-18 8-22 8-10 2-16 18-14 14 0 10-10 20 0 8 12z' fill='#d93a3a'/>\
    <circle cx='102' cy='84' r='6' fill='#2b2320'/><circle cx='138' cy='84' r='6' \
    fill='#2b2320'/><path d='M110 94l10 16 10-16z' fill='#eda52f'/>\
    <path d='M80 150v12M100 152v9M120 153v12M140 152v9M160 150v12' stroke='#57463f' \
    stroke-width='4' stroke-linecap='round'/>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_goods_have_no_picture() {
        assert_eq!(draw("../regulator"), None);
    }

    #[test]
    fn pictures_are_closed_documents() {
        let svg = draw("movement").unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        assert!(!svg.contains("NaN"));
    }
}
