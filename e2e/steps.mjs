/**
 * Runs steps in their order, up to the first that fails. seen gets the names of those that
 * went well, and the problem of that one with what the page showed.
 */
export async function run(steps, page, seen) {
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      seen.steps.push(name);
    } catch (e) {
      seen.problems.push(`${name}: ${e}\n${(await page.textContent('main').catch(() => '')).slice(0, 1500)}`);
      return;
    }
  }
}
