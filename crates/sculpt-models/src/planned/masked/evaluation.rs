use super::memory::Deed;
use super::{MaskedNetwork, Remembered};
use crate::planned::numbers;
use sculpt_network::Mode;
use sculpt_sparse::{LANES, block_of};
use tch::Tensor;

impl<P: Remembered> MaskedNetwork<'_, P> {
    /// The logits of images that know nothing of one another: a thread takes sixteen of them through all layers, which stay in its cache
    /// meanwhile, and no thread waits for another before the end. Layers and streams are known, of no blocks yet.
    pub(super) fn evaluate(&mut self, images: &Tensor, last: usize) {
        assert_eq!(self.mode, Mode::Eval, "statistics of batches are of all images");
        let batch = numbers(&images.detach());
        let planes = self.streams[0].planes;
        let (layers, streams, deeds) = (&self.layers, &self.streams, &self.deeds);
        let channels = streams[last].planes.channels;
        let mut pooled = vec![0.0; images.size()[0] as usize * channels];
        let mut of_blocks: Vec<&mut [f32]> = pooled.chunks_mut(LANES * channels).collect();
        let blocks = P::blocks(&self.network.memory);
        let memory = || blocks.lock().expect("nobody panics with it");
        self.threads.each(&mut of_blocks, |number, pooled| {
            let kept = memory().pop();
            let mut block = kept.unwrap_or_default();
            block.n = block_of(&batch, planes, number * LANES, block.stream(0, planes));
            for deed in deeds {
                match *deed {
                    Deed::Convolve(number) => block.convolve(number, layers, false),
                    Deed::Make(place) => block.make(place, streams, layers),
                }
            }
            block.means_of_pixels(streams[last].planes, last, pooled);
            memory().push(block);
        });
        self.classify(&pooled, channels);
    }
}
