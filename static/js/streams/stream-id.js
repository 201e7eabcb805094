/** What the server takes as a stream's name; browsers read patterns with the `v` flag, which wants the last dash escaped. */
const PATTERN = "[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}";

/** Attributes of an input for a stream's name. */
export const STREAM_ID_INPUT = {
  required: true,
  maxlength: 64,
  pattern: PATTERN,
  autocomplete: "off",
  autocapitalize: "none",
  spellcheck: "false",
};

export const STREAM_ID_HELP = "Letters, digits, dot, dash and underscore; starts with a letter or digit.";

/** @param {string} id */
export function isStreamId(id) {
  return new RegExp(`^(?:${PATTERN})$`).test(id);
}

/**
 * A name that is still free: "webcam", then "webcam-2" and so on.
 *
 * @param {string} wish
 * @param {readonly string[]} taken
 */
export function freeStreamId(wish, taken) {
  if (!taken.includes(wish)) return wish;
  let number = 2;
  while (taken.includes(`${wish}-${number}`)) number += 1;
  return `${wish}-${number}`;
}
