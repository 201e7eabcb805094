// Checks of the open page, run in it: names, labels, references, target sizes, headings, contrast. Returns what is wrong.
() => {
  const problems = [];
  const visible = (element) => element.checkVisibility({ checkVisibilityCSS: true }) && element.getClientRects().length > 0;
  const hiddenFromAll = (element) => element.closest('[aria-hidden="true"]') !== null;
  const describe = (element) => `<${element.localName}${element.id ? "#" + element.id : ""}> ${element.dataset?.testid ?? ""} "${(element.textContent ?? "").trim().slice(0, 40)}"`;
  const modal = document.querySelector("dialog[open]");
  const inPlay = (element) => visible(element) && (!modal || modal.contains(element));

  const name = (element) => {
    const by = element.getAttribute("aria-labelledby");
    if (by) return by.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
    const label = element.getAttribute("aria-label") ?? [...(element.labels ?? [])].map((each) => each.textContent).join(" ");
    return (label || element.textContent || "").trim();
  };
  const interactive = "button, a[href], input, select, textarea, [tabindex='0'], [role='img'], dialog[open], progress, table, video";
  for (const element of document.querySelectorAll(interactive)) {
    if (!inPlay(element) || hiddenFromAll(element)) continue;
    if (element.localName === "table" || name(element)) continue;
    problems.push(`no accessible name: ${describe(element)}`);
  }
  for (const element of document.querySelectorAll("button, a[href], input, select")) {
    if (!inPlay(element) || element.matches(".visually-hidden, .skip-link, .link-button")) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 24 || box.height < 24) problems.push(`smaller than 24 x 24 pixels: ${describe(element)} ${box.width} x ${box.height}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) problems.push(`id twice: ${id}`);
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) if (!ids.includes(id)) problems.push(`${attribute} names nothing: ${id}`);
    }
  }
  if (document.querySelector("[tabindex]:not([tabindex='0']):not([tabindex='-1'])")) problems.push("a positive tabindex");
  if (!document.documentElement.lang) problems.push("the page has no language");
  if (document.querySelectorAll("main").length !== 1) problems.push("there must be one <main>");
  if (document.querySelectorAll("h1").length !== 1) problems.push("there must be one <h1>");
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) {
    const right = (element) => element.getBoundingClientRect().right;
    const widest = [...document.body.querySelectorAll("*")].reduce((most, each) => (right(each) > right(most) ? each : most));
    problems.push(`wider than the window: ${document.documentElement.scrollWidth} > ${document.documentElement.clientWidth}: ${describe(widest)}`);
  }

  const parse = (colour) => {
    const parts = (colour.match(/[\d.]+/g) ?? []).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const layer = parse(getComputedStyle(each).backgroundColor);
      if (layer.alpha > 0) layers.push(layer);
      if (layer.alpha === 1) break;
    }
    let rgb = [255, 255, 255];
    for (const layer of layers.reverse()) rgb = rgb.map((part, at) => part * (1 - layer.alpha) + layer.rgb[at] * layer.alpha);
    return rgb;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !inPlay(element) || element.closest(".visually-hidden, .skip-link, :disabled, option, noscript")) continue;
    const style = getComputedStyle(element);
    const [low, high] = [luminance(parse(style.color).rgb), luminance(ground(element))].sort((a, b) => a - b);
    const large = Number.parseFloat(style.fontSize) >= 24 || (Number.parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${describe(element)}`);
  }
  return [...new Set(problems)];
}
