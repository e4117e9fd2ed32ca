use super::{Form, ModelSpec, Planned};
use crate::planned::{JointNorm, PlannedNetwork};
use crate::{ModelError, NetworkFault, Precision};
use sculpt_layout::Layout;
use sculpt_network::Network;
use std::sync::Arc;
use tch::Tensor;

impl ModelSpec {
    /// The same network on one of several processes, whose images together are a batch: `norm` normalises over all of them.
    ///
    /// # Errors
    /// As [`ModelSpec::network`]; an exported network, whose BatchNorm is in its program.
    pub fn joint_network(
        &self,
        precision: Precision,
        norm: Arc<dyn JointNorm>,
    ) -> Result<Box<dyn Network<Tensor>>, ModelError> {
        self.check_precision(precision)?;
        match &self.0 {
            Form::Ours(ours) => {
                let Planned { layout, plan } = &*ours.planned();
                let network = PlannedNetwork::new(Layout::clone(layout), plan.clone(), precision, false);
                Ok(Box::new(network.normalised_by(norm)))
            }
            Form::Exported(exported) => Err(exported.error(NetworkFault::OwnNorm)),
        }
    }
}
