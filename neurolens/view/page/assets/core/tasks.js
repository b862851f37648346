/** Work in small steps, so that the page answers meanwhile and Escape can stop it. */

const SLICE = 12; // milliseconds of work between two looks at the queue of events

/** A runner of one task at a time; a new task stops the one before it. */
export function createRunner(wait = (next) => setTimeout(next, 0), now = () => performance.now()) {
  let current = null;

  /** Run the steps of a generator; small tasks are done before this returns. */
  function start(steps, { done = () => {}, stopped = () => {} } = {}) {
    stop();
    const task = { stopped };
    current = task;
    const proceed = () => {
      if (current !== task) return;
      const until = now() + SLICE;
      for (;;) {
        const step = steps.next();
        if (step.done) {
          current = null;
          done();
          return;
        }
        if (now() > until) break;
      }
      wait(proceed);
    };
    proceed();
  }

  /** Stop what runs; whether there was anything to stop. */
  function stop() {
    if (!current) return false;
    const task = current;
    current = null;
    task.stopped();
    return true;
  }

  return { start, stop, isBusy: () => current !== null };
}
