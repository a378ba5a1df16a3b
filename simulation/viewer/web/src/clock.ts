/** Time of the replay. Views and charts subscribe to it, so playing does not rebuild the page. */

export class Clock {
  private listeners = new Set<() => void>();
  private last = 0;
  private handle = 0;
  seconds = 0;
  end = 0;
  speed = 1;
  isPlaying = false;

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  seek(seconds: number): void {
    this.seconds = Math.min(Math.max(seconds, 0), this.end);
    this.notify();
  }

  setEnd(end: number): void {
    this.end = end;
    this.seek(this.seconds);
  }

  toggle(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play(): void {
    if (this.seconds >= this.end - 1e-3) this.seconds = 0;
    this.isPlaying = true;
    this.last = performance.now();
    this.handle = requestAnimationFrame(this.tick);
    this.notify();
  }

  pause(): void {
    this.isPlaying = false;
    cancelAnimationFrame(this.handle);
    this.notify();
  }

  private tick = (now: number): void => {
    const passed = Math.min(0.25, (now - this.last) / 1000) * this.speed;
    this.last = now;
    this.seconds = Math.min(this.end, this.seconds + Math.max(0, passed));
    if (this.seconds >= this.end) this.isPlaying = false;
    this.notify();
    if (this.isPlaying) this.handle = requestAnimationFrame(this.tick);
  };

  private notify(): void {
    for (const listener of this.listeners) listener();
  }
}
